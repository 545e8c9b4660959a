# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizes as people write them: 500M, 2G."""

from __future__ import annotations

import re

UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE = re.compile(r"(\d+)([KMGT]?)", re.ASCII | re.IGNORECASE)
_NEARLY = re.compile(r"(\d+)(?:[.,]\d+)?\s*([KMGT]?)(?:i?B|bytes?)?", re.ASCII | re.IGNORECASE)


def parse_size(text: str | int | float) -> int:
    """Bytes of ``2G``, ``500M`` or a plain number of bytes; units are powers of 1024, as Dovecot's.

    :raises ValueError: not a size; the message says what to write
    """
    match = None if isinstance(text, bool) else _SIZE.fullmatch(str(text))
    if match:
        return int(match[1]) * UNITS[match[2].upper()]
    nearly = _NEARLY.fullmatch(str(text).strip())
    guess = f"{nearly[1]}{nearly[2].upper() or 'M'}" if nearly else "2G"
    raise ValueError(f"Write a whole number and K, M, G or T, such as: {guess}")


def format_size(size: int) -> str:
    """The shortest exact form: 2147483648 -> 2G."""
    for unit in "TGMK":
        if size and size % UNITS[unit] == 0:
            return f"{size // UNITS[unit]}{unit}"
    return str(size)
