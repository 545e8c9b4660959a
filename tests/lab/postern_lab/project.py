# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Where this checkout is, what its things are called, and how it speaks to whoever runs it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LAB_DIR = ROOT / "tests" / "lab"
STATE_DIR = ROOT / ".lab"


class LabError(Exception):
    """A failure that the person at the terminal can act on; the message says how."""


def checkout_hash() -> str:
    """Six hex digits that differ between two checkouts on one machine, and stay the same for one."""
    return hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]


def project_name(lab: str) -> str:
    """Prefix of every container, and name of the network, of lab ``lab`` of this checkout."""
    return f"postern-{checkout_hash()}-{lab}"


def say(message: str) -> None:
    """Report progress on stderr: stdout belongs to what a command prints (JSON, inventory)."""
    sys.stderr.write(f"lab: {message}\n")  # one write: two builds may speak at once
    sys.stderr.flush()
