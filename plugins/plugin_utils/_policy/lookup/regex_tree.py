# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Regular expressions as trees of bytes, whatever language they were written in.

A set of bytes is a number: bit 65 says whether ``A`` is in it.
"""

from __future__ import annotations

import enum
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ALL_BYTES = (1 << 256) - 1


def byte_set(characters: Iterable[str]) -> int:
    result = 0
    for character in characters:
        result |= 1 << ord(character)
    return result


def byte_range(first: int, last: int) -> int:
    return (1 << (last + 1)) - (1 << first)


DIGIT = byte_set(string.digits)
LOWER = byte_set(string.ascii_lowercase)
UPPER = byte_set(string.ascii_uppercase)
ALPHA = LOWER | UPPER
WORD = ALPHA | DIGIT | byte_set("_")
SPACES = byte_set(" \t\n\v\f\r")
NEWLINE = byte_set("\n")

NAMED_SETS = {
    "alpha": ALPHA,
    "digit": DIGIT,
    "alnum": ALPHA | DIGIT,
    "lower": LOWER,
    "upper": UPPER,
    "space": SPACES,
    "blank": byte_set(" \t"),
    "punct": byte_set(string.punctuation),
    "print": byte_range(32, 126),
    "graph": byte_range(33, 126),
    "cntrl": byte_range(0, 31) | 1 << 127,
    "xdigit": byte_set(string.hexdigits),
}


def any_case(members: int) -> int:
    """:return: the set with both cases of its ASCII letters"""
    result = members
    for lower, upper in zip(string.ascii_lowercase, string.ascii_uppercase, strict=True):
        both = 1 << ord(lower) | 1 << ord(upper)
        if members & both:
            result |= both
    return result


class Place(enum.Enum):
    """Assertions about a place in the text, as Python writes them."""

    START = r"\A"
    END = r"\Z"
    END_OR_NEWLINE = r"(?=\n?\Z)"
    LINE_START = r"(?:\A|(?<=\n))"
    LINE_END = r"(?=\n|\Z)"
    WORD_EDGE = r"\b"
    NO_WORD_EDGE = r"\B"
    WORD_START = r"\b(?=\w)"
    WORD_END = r"\b(?<=\w)"


@dataclass(frozen=True, slots=True)
class Byte:
    """One byte out of a set."""

    members: int


@dataclass(frozen=True, slots=True)
class At:
    place: Place


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """:param most: None for no limit"""

    body: Node
    least: int
    most: int | None
    greedy: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """A group that captures; numbers count from 1."""

    body: Node
    number: int


@dataclass(frozen=True, slots=True)
class Atomic:
    """A group that does not give back what it has matched."""

    body: Node


@dataclass(frozen=True, slots=True)
class Look:
    """A condition on the text after or before a place."""

    body: Node
    behind: bool
    negative: bool


@dataclass(frozen=True, slots=True)
class Again:
    """What a group matched, once more."""

    number: int
    any_case: bool


Node = Byte | At | Sequence | Choice | Repeat | Group | Atomic | Look | Again

NOTHING = Sequence(())


def sequence(parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else Sequence(tuple(parts))


def choice(branches: list[Node]) -> Node:
    return branches[0] if len(branches) == 1 else Choice(tuple(branches))


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Sequence(parts):
            return parts
        case Choice(branches):
            return branches
        case Repeat(body) | Group(body) | Atomic(body) | Look(body):
            return (body,)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(children(current))


def lengths(node: Node) -> tuple[int, int | None]:
    """:return: least and greatest number of bytes the node matches, None for no limit"""
    match node:
        case Byte():
            return 1, 1
        case At() | Look():
            return 0, 0
        case Again():
            return 0, None
        case Sequence(parts):
            ranges = [lengths(part) for part in parts]
            limits = [most for __, most in ranges]
            return sum(least for least, __ in ranges), None if None in limits else sum(most or 0 for most in limits)
        case Choice(branches):
            ranges = [lengths(branch) for branch in branches]
            limits = [most for __, most in ranges]
            return min(least for least, __ in ranges), None if None in limits else max(most or 0 for most in limits)
        case Repeat(body, least, most):
            low, high = lengths(body)
            unlimited = high != 0 and (high is None or most is None)
            return low * least, None if unlimited else (high or 0) * (most or 0)
        case Group(body) | Atomic(body):
            return lengths(body)


def python_text(node: Node) -> str:
    """:return: the same expression for Python's ``re``, without flags"""
    match node:
        case Byte(members):
            return _python_set(members)
        case At(place):
            return place.value
        case Sequence(parts):
            return "".join(
                f"(?:{python_text(part)})" if isinstance(part, Choice) else python_text(part) for part in parts
            )
        case Choice(branches):
            return "|".join(python_text(branch) for branch in branches)
        case Repeat(body, least, most, greedy):
            limits = f"{{{least},{'' if most is None else most}}}"
            return f"(?:{python_text(body)}){limits}{'' if greedy else '?'}"
        case Group(body):
            return f"({python_text(body)})"
        case Atomic(body):
            return f"(?>{python_text(body)})"
        case Look(body, behind, negative):
            return f"(?{'<' if behind else ''}{'!' if negative else '='}{python_text(body)})"
        case Again(number, both):
            return f"(?i:\\{number})" if both else f"(?:\\{number})"


def _python_set(members: int) -> str:
    if members == ALL_BYTES:
        return r"[\x00-\xff]"
    if members == 0:
        return "(?!)"
    ranges: list[str] = []
    value = 0
    while value < 256:
        if not members >> value & 1:
            value += 1
            continue
        start = value
        while value < 256 and members >> value & 1:
            value += 1
        ranges.append(f"\\x{start:02x}" if value - start == 1 else f"\\x{start:02x}-\\x{value - 1:02x}")
    return f"[{''.join(ranges)}]"
