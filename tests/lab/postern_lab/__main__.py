# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""``python -m postern_lab``."""

from __future__ import annotations

import sys

from postern_lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
