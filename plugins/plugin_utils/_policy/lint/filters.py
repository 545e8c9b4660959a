# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Return-code filters of DNS lists: ``127.0.0.[2..11;20]`` (util/ip_match.c)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ITEM = re.compile(r"([0-9]+)(?:\.\.([0-9]+))?")
_FIELD = re.compile(r"[0-9]+|\[[^\]]*\]")


class FilterError(ValueError):
    """The filter cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Filter:
    """:param octets: for each octet the ranges that match"""

    octets: tuple[tuple[tuple[int, int], ...], ...]

    def matches(self, address: str) -> bool:
        numbers = [int(part) for part in address.split(".")]
        return all(
            any(first <= number <= last for first, last in ranges)
            for number, ranges in zip(numbers, self.octets, strict=True)
        )


def parse_filter(text: str) -> Filter:
    """:raises FilterError:"""
    if text.startswith("[") and text.endswith("]") and _closing(text) == len(text) - 1:
        text = text[1:-1]
    if not text:
        raise FilterError("it is empty")
    octets: list[tuple[tuple[int, int], ...]] = []
    rest = text
    while len(octets) < 4:
        match = _FIELD.match(rest)
        if match is None:
            raise FilterError(f"a number from 0 to 255 or [ is missing at {rest!r}")
        octets.append(_field(match.group()))
        rest = rest[match.end() :]
        if len(octets) < 4:
            if not rest.startswith("."):
                raise FilterError(f"a dot is missing at {rest!r}; it takes four parts")
            rest = rest[1:]
    if rest:
        raise FilterError(f"there is more after the fourth part: {rest!r}")
    return Filter(tuple(octets))


def _closing(text: str) -> int:
    level = 0
    for offset, character in enumerate(text):
        level += {"[": 1, "]": -1}.get(character, 0)
        if level == 0:
            return offset
    return -1


def _field(text: str) -> tuple[tuple[int, int], ...]:
    if not text.startswith("["):
        return ((_octet(text), _octet(text)),)
    ranges = []
    for item in text[1:-1].split(";"):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise FilterError(f"{item!r} is neither a number nor first..last")
        first = _octet(match[1])
        last = _octet(match[2]) if match[2] is not None else first
        if first > last:
            raise FilterError(f"the range {item} runs backwards")
        ranges.append((first, last))
    return tuple(ranges)


def _octet(text: str) -> int:
    if int(text) > 255:
        raise FilterError(f"{text} is above 255")
    return int(text)
