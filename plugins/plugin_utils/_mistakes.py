# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with an inventory: one record for each mistake, and how people read them."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong, why, and what to write instead.

    :param rule: stable name of the rule, for tests and for looking it up in the guide
    :param variable: the inventory variable
    :param reason: why it is wrong, as a sentence without its full stop
    :param fix: what to do, or the line to write
    :param element: where inside the variable, such as ``[2].address``; empty for the whole variable
    :param value: what was found, as shown to people; empty when it is missing or secret
    :param consequence: what would happen, as a sentence without its full stop; empty where the reason says it
    :param severity: an error stops the run, a warning is only shown
    :param host: the host whose variable it is; empty while it does not matter
    :param source: file and line it was read from, where Ansible knows; no part of what makes two mistakes the same
    """

    rule: str
    variable: str
    reason: str
    fix: str
    element: str = ""
    value: str = ""
    consequence: str = ""
    severity: Severity = "error"
    host: str = ""
    source: str = field(default="", compare=False)

    def as_dict(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Mistake:
        """:raises TypeError: the record lacks a field"""
        return cls(**{each.name: record[each.name] for each in fields(cls) if each.name in record})

    def on(self, host: str) -> Mistake:
        return replace(self, host=host)


def shown(value: object, limit: int = 60) -> str:
    """The value as it is printed: text in quotes, long values shortened, nothing that a terminal would obey."""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def closest(word: str, known: Iterable[str], cutoff: float = 0.7) -> str:
    """The known word most like this one, or an empty string.

    :param cutoff: similarity from 0 to 1, as in :func:`difflib.get_close_matches`
    """
    matches = difflib.get_close_matches(word.lower(), sorted(set(known)), n=1, cutoff=cutoff)
    return matches[0] if matches else ""


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.7) -> str:
    """`` (did you mean x?)`` with its leading space, or an empty string."""
    match = closest(word, known, cutoff)
    return f" (did you mean {match}?)" if match else ""


def listed(words: Iterable[str]) -> str:
    """``a, b or c``, sorted; a long list is cut."""
    names = sorted(set(words))
    if len(names) > 12:
        return ", ".join(names[:12]) + ", ..."
    return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def grouped(mistakes: Sequence[Mistake]) -> list[tuple[Mistake, list[str]]]:
    """Each different mistake once, with its hosts; errors before warnings, else in the order of the hosts' lists."""
    hosts: dict[Mistake, list[str]] = {}
    place: dict[Mistake, int] = {}
    found: Counter[str] = Counter()
    for mistake in mistakes:
        found[mistake.host] += 1
        same = mistake.on("")
        place[same] = min(place.get(same, found[mistake.host]), found[mistake.host])
        on = hosts.setdefault(same, [])
        if mistake.host and mistake.host not in on:
            on.append(mistake.host)
    return sorted(hosts.items(), key=lambda item: (item[0].severity != "error", place[item[0]]))


def sources(mistakes: Sequence[Mistake], same: Mistake) -> str:
    """The files and lines where a mistake stands, each once; host_vars may have it several times."""
    return ", ".join(dict.fromkeys(each.source for each in mistakes if each.source and each.on("") == same))


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def summary(mistakes: Sequence[Mistake]) -> str:
    """One line: how many different mistakes and warnings, and that nothing was changed."""
    severities = [mistake.severity for mistake, _hosts in grouped(mistakes)]
    errors = severities.count("error")
    warnings = severities.count("warning")
    parts = [counted(errors, "mistake")] if errors else []
    parts += [counted(warnings, "warning")] if warnings else []
    return " and ".join(parts or ["no mistakes"]) + (", nothing was changed" if errors else "")


def report(mistakes: Sequence[Mistake]) -> str:
    """All mistakes as text for people, worst first; the same mistake of several hosts is one entry."""
    lines = [f"postern.mail: {summary(mistakes)}."]
    for number, (mistake, hosts) in enumerate(grouped(mistakes), start=1):
        where = mistake.variable + mistake.element + (f": {mistake.value}" if mistake.value else "")
        label = "warning: " if mistake.severity == "warning" else ""
        names = f"{', '.join(hosts)}: " if hosts else ""
        lines.append(f"{number:>3}. {names}{label}{where}: {mistake.reason}.")
        lines += [f"     {mistake.consequence}."] if mistake.consequence else []
        found_in = sources(mistakes, mistake)
        lines += [f"     In {found_in}"] if found_in else []
        lines += [f"     {line}" for line in mistake.fix.splitlines()]
    return "\n".join(lines)
