# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong in DNS, as data and as people read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ansible_collections.postern.mail.plugins.plugin_utils._dns.text import presented

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    :param code: stable name, for those who read JSON
    :param subject: a name and type, a host or an address
    :param reason: why it is wrong, as a sentence without its full stop
    :param fix: what to do
    :param there: what is there and should not be, as in a zone file
    :param wanted: what should be there and is not
    :param seen_by: who says so; empty where everybody does
    """

    severity: Severity
    code: str
    subject: str
    reason: str
    fix: str = ""
    there: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    seen_by: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @property
    def is_error(self) -> bool:
        return self.severity == "error"


def shown(kind: str, values: Iterable[str]) -> tuple[str, ...]:
    return tuple(presented(kind, value) for value in values)


def counted(findings: Sequence[Finding]) -> str:
    """``2 errors and 1 warning``."""
    parts = []
    for severity in ("error", "warning"):
        number = sum(finding.severity == severity for finding in findings)
        parts += [f"{number} {severity}{'' if number == 1 else 's'}"] if number else []
    return " and ".join(parts) or "nothing wrong"


def report(findings: Sequence[Finding], number: int, asked: Sequence[str]) -> list[str]:
    """Lines for a terminal, errors first.

    :param number: how many sets of records were compared
    :param asked: everybody who was asked
    """
    lines = [
        f"postern.mail: DNS: {counted(findings)}; {number} sets of records compared.",
        "Asked: " + ", ".join(asked),
    ]
    for place, finding in enumerate(sorted(findings, key=lambda each: not each.is_error), start=1):
        label = "" if finding.is_error else "warning: "
        lines.append(f"{place:>3}. {label}{finding.subject}: {finding.reason}. [{finding.code}]")
        if finding.seen_by and len(finding.seen_by) < len(asked):
            lines.append(f"     Seen by {', '.join(finding.seen_by)}; others say otherwise or were not asked.")
        lines += [f"     - {value}" for value in finding.there]
        lines += [f"     + {value}" for value in finding.wanted]
        lines += [f"     {finding.fix}."] if finding.fix else []
    if any(finding.there or finding.wanted for finding in findings):
        lines.append("- is there, + should be")
    return lines
