# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys that a lookup table answers: taken from its entries, or made up from its patterns.

What is made up is a guess that the table itself then proves: whoever uses a sample looks it up first.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup import sources
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.networks import Network
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regex_pcre import PcreParser
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regex_posix import PosixParser
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regex_tree import (
    Again,
    At,
    Atomic,
    Byte,
    Choice,
    Group,
    Look,
    Node,
    Repeat,
    Sequence,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.rules import Rule
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import Tables
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SyntaxProblem, tokens, unwrapped

MANY = 12
"""Samples of one pattern."""
_LIKELY = "abcdefghijklmnopqrstuvwxyz0123456789.-_@"


@dataclass(frozen=True, slots=True)
class Sample:
    """:param key: text that the table may answer
    :param result: what it then answers, as far as that can be told
    :param pattern: made up from a pattern, so that the key may need text around it
    """

    key: str
    result: str
    pattern: bool = False


def samples(tables: Tables, reference: str) -> Iterator[Sample]:
    """Keys of one table, in the order of its entries."""
    kind, _colon, name = reference.partition(":")
    if kind in {"unionmap", "pipemap"} and name.startswith("{"):
        for part in _parts(name):
            yield from samples(tables, part)
        return
    if kind == "proxy" and tables.content(reference) is None:
        yield from samples(tables, name)
        return
    if kind == "inline":
        yield from _inline(name)
        return
    table = tables.open(reference)
    if table.rules is not None:
        for rule in table.rules.rules:
            if rule.kind == "match":
                yield from _of_rule(kind, rule)
        return
    content = tables.content(reference)
    if content is not None and not table.broken and not table.fatal:
        for key, result in sources.index(content, fold=str.lower).entries.items():
            yield Sample(key, result)


def _parts(name: str) -> list[str]:
    try:
        return list(tokens(unwrapped(name)))
    except SyntaxProblem:
        return []


def _inline(name: str) -> Iterator[Sample]:
    try:
        entries = sources.inline_entries(name, fold=str.lower)
    except SyntaxProblem:
        return
    for key, result in entries.items():
        yield Sample(key, result)


def _of_rule(kind: str, rule: Rule) -> Iterator[Sample]:
    result = "".join(str(piece) for piece in rule.result)
    if kind == "cidr":
        for address in _addresses(rule.pattern):
            yield Sample(address, result)
        return
    try:
        for text in itertools.islice(texts(_tree(kind, rule.pattern)), MANY):
            yield Sample(text, result, pattern=True)
    except (SyntaxProblem, ValueError, RecursionError):
        return  # the table itself skips it


def _addresses(pattern: str) -> Iterator[str]:
    """Addresses of a network: one in its middle, and its first."""
    try:
        network = Network.parse(pattern.lstrip("!"))
    except SyntaxProblem:
        return
    size = 1 << ((32 if network.family == 4 else 128) - network.prefix)
    for offset in dict.fromkeys((min(77, size // 2), 0)):
        number = network.value + offset
        yield str(ipaddress.IPv4Address(number) if network.family == 4 else ipaddress.IPv6Address(number))


def _tree(kind: str, written: str) -> Node:
    """:param written: with its delimiters"""
    text = written[1:-1]
    if kind == "regexp":
        return PosixParser(text, ignore_case=False, newline=False, extended=True).parse()
    return PcreParser(text, frozenset("s"), modern=True).parse()


def texts(node: Node) -> Iterator[str]:
    """Texts that an expression may match, short ones first; conditions on the surroundings are left out of account."""
    match node:
        case Byte(members):
            yield _character(members)
        case Sequence(parts):
            pools = [list(itertools.islice(texts(part), 3)) for part in parts]
            for chosen in itertools.islice(itertools.product(*pools), MANY):
                yield "".join(chosen)
        case Choice(branches):
            for branch in branches[:MANY]:
                yield from itertools.islice(texts(branch), 2)
        case Repeat(body, least, most):
            inner = next(texts(body), "")
            yield inner * max(least, 1 if most != 0 else 0)
            if least == 0:
                yield ""
        case Group(body) | Atomic(body):
            yield from texts(body)
        case At() | Look() | Again():
            yield ""


def _character(members: int) -> str:
    for character in _LIKELY:
        if members >> ord(character) & 1:
            return character
    return next((chr(number) for number in range(33, 127) if members >> number & 1), "a")
