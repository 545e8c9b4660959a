# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Patterns of pcre: tables: their line in the table, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._content.cost import danger_of
from ansible_collections.postern.mail.plugins.plugin_utils._content.faults import Fault
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regexes import Syntax
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.rules import (
    DEFAULT_OPTIONS,
    OPTIONS,
    Rules,
    parse_expressions,
    replacement,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SyntaxProblem

_DELIMITERS = "/~%@,;&="


def delimited(pattern: str, flags: str = "") -> str:
    """The pattern between delimiters, so that it stays what it is."""
    mark = next((mark for mark in _DELIMITERS if mark not in pattern), "")
    if mark:
        return f"{mark}{pattern}{mark}{flags}"
    escaped, quoted = [], False
    for char in pattern:
        escaped.append("\\/" if char == "/" and not quoted else char)
        quoted = char == "\\" and not quoted
    return f"/{''.join(escaped)}/{flags}"


def pattern_faults(pattern: str, flags: str = "", key: str = ".pattern") -> Iterator[Fault]:
    unknown = sorted(set(flags) - OPTIONS[Syntax.PCRE])
    if unknown:
        reason = f"pcre tables have no flag {unknown[0]}"
        yield Fault("pattern", ".flags", reason, f"Choose from {''.join(sorted(OPTIONS[Syntax.PCRE]))}", flags)
        return
    if not pattern or "\n" in pattern or "\r" in pattern or "\0" in pattern:
        what = "it is empty, and would match everything" if not pattern else "it has a line break"
        yield Fault("pattern", key, what, r"Write one line; \n stands for a line break, . for anything", pattern)
        return
    try:
        danger = danger_of(pattern, frozenset(DEFAULT_OPTIONS[Syntax.PCRE] ^ set(flags)))
    except SyntaxProblem as problem:
        yield Fault("pattern", key, f"it does not compile: {problem}", "Correct it", pattern)
        return
    if danger:
        yield Fault("pattern-cost", key, danger.reason, danger.fix, pattern)
    if pattern[0] == pattern[-1] == "/" and len(pattern) > 2:
        reason = "the slashes are part of it, and would have to stand in the message"
        yield Fault("pattern", key, reason, f"Write: {pattern[1:-1]}", pattern)


def result_faults(line: str, text: str) -> Iterator[Fault]:
    """References to groups in what a rule says.

    :param line: the rule as it stands in the table
    """
    try:
        list(replacement(text))
    except SyntaxProblem as problem:
        reason = f"$ begins the number of a group: {problem}"
        yield Fault("action-text", ".text", reason, "Write $$ for a dollar sign", text)
        return
    for skipped in compiled([line])[0].skipped:
        yield Fault("action-text", ".text", f"Postfix would skip the rule: {skipped.reason}", "Correct it", text)


def compiled(lines: list[str]) -> tuple[Rules, bool]:
    """The rules of a table, and whether all of them can be tried here as PCRE2 does it."""
    doubts: list[str] = []
    rules = parse_expressions("\n".join(lines) + "\n", Syntax.PCRE, assume=doubts.append)
    return rules, not doubts
