# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with one rule of a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """:param rule: its name in the list of rules
    :param key: which key of the entry is wrong, such as ``.pattern``; empty for all of it
    :param value: what stands there
    """

    rule: str
    key: str
    reason: str
    fix: str
    value: str = ""
    is_warning: bool = False

    def __str__(self) -> str:
        return f"{self.key or 'entry'}: {self.reason}. {self.fix}"
