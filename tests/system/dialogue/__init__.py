# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What the system tests speak: raw SMTP, IMAP and ManageSieve, and commands on the hosts of a lab."""

from __future__ import annotations

import sys
from pathlib import Path

# The lab's own code knows the engine and the containers' names.
sys.path.append(str(Path(__file__).resolve().parents[2] / "lab"))
