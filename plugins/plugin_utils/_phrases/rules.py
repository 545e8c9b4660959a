# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about phrases in headers, made into lines of pcre tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._content.checks import Check
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.automaton import build, spellings
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.charsets import (
    CHARSETS,
    Charset,
    canonical,
    default_charsets,
)
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.classes import literal
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.expression import Expression

# Postfix: "i" switches off the default, which is to ignore case; base64 does not.
FLAGS = "i"
ALL_HEADERS = "*"
LONGEST = 32000
"""Characters of an expression. Debian's PCRE2 takes 65,535 octets of a compiled one, less than two for each of them."""
_MOST_CHARACTERS = 100
# What a long phrase goes without: letters and accents as separate characters, words that end inside a character.
_THOROUGH = (
    {"decomposed": True, "cuts_characters": True},
    {"decomposed": False, "cuts_characters": True},
    {"decomposed": False, "cuts_characters": False},
)
# Headers that Postfix gives to mime_header_checks wherever they stand (global/header_opts.c: HDR_OPT_MIME).
_MIME_HEADER = re.compile(r"content-(?:description|disposition|id|transfer-encoding|type)|mime-version", re.IGNORECASE)


class PhraseError(ValueError):
    """A rule that cannot be compiled."""


@dataclass(frozen=True)
class Skipped:
    """A charset that cannot write a phrase, and the characters it lacks."""

    charset: str
    phrase: str
    missing: str


@dataclass
class Compiled:
    """:param patterns: expressions with what they are for, in order"""

    patterns: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def headers_of(rule: Mapping[str, Any]) -> list[str]:
    value = rule.get("header", "Subject")
    return [value] if isinstance(value, str) else list(value)


def phrases_of(rule: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([rule["phrase"], *(rule.get("variants") or [])]))


def table_of(header: str) -> str:
    """The parameter whose table sees this header of a message."""
    return "mime_header_checks" if _MIME_HEADER.fullmatch(header) else "header_checks"


def compile_rule(rule: Mapping[str, Any], charsets: Sequence[str] | None = None) -> Compiled:
    """:raises PhraseError: no charset can write the phrase, or one is not known"""
    names = rule.get("charsets") or charsets
    anchored = rule.get("anchor") == "start"
    compiled = Compiled()
    for phrase in phrases_of(rule):
        able = []
        for name in names or default_charsets(phrase):
            charset = CHARSETS.get(canonical(name) if names else name)
            if charset is None:
                raise PhraseError(f"there is no charset {name}")
            missing = charset.lacks(_needed(phrase))
            if missing:
                compiled.skipped.append(Skipped(charset.name, phrase, missing))
            else:
                able.append(charset)
        if not able:
            raise PhraseError(f'no charset can write "{phrase}"')
        for charset, text in _expressions(phrase, able, rule, anchored=anchored):
            compiled.patterns.append((text, f"{phrase} in {charset.name}"))
    return compiled


def _needed(phrase: str) -> str:
    return "".join(way for unit in spellings(phrase, ignore_case=False) for way in unit[:1])


def _expressions(
    phrase: str, charsets: Iterable[Charset], rule: Mapping[str, Any], *, anchored: bool
) -> list[tuple[Charset, str]]:
    """One for each different way to write the phrase; charsets that write it alike share one."""
    for thorough in _THOROUGH if len(phrase) <= _MOST_CHARACTERS else ():
        found = _attempt(phrase, charsets, rule, anchored=anchored, **thorough)
        if all(len(text) <= LONGEST for __, text in found):
            return found
    raise PhraseError(f"the phrase is too long: {len(phrase)} characters")


def _attempt(
    phrase: str,
    charsets: Iterable[Charset],
    rule: Mapping[str, Any],
    *,
    anchored: bool,
    decomposed: bool,
    cuts_characters: bool,
) -> list[tuple[Charset, str]]:
    units = spellings(phrase, ignore_case=bool(rule.get("ignore_case", True)), decomposed=decomposed)
    alike: list[tuple[Any, Charset, list[str]]] = []
    for charset in charsets:
        automaton = build(units, charset, ignore_space=bool(rule.get("ignore_space")), anchored=anchored)
        for known, other, labels in alike:
            if known == automaton and (other.leads, other.trails) == (charset.leads, charset.trails):
                labels += [label for label in charset.labels if label not in labels]
                break
        else:
            alike.append((automaton, charset, list(charset.labels)))
    return [
        (
            charset,
            Expression(automaton, charset, labels, cuts_characters=cuts_characters).text(anchored=anchored),
        )
        for automaton, charset, labels in alike
    ]


def _header_expression(headers: Sequence[str]) -> str:
    """The name and its colon; Postfix has taken out white space between the two (mime_state.c)."""
    if ALL_HEADERS in headers:
        return "^[!-9;-~]+:"
    names = "|".join("".join(literal(byte) for byte in name.encode()) for name in headers)
    return f"^(?i:{names}):"


def compile_rules(rules: Iterable[Mapping[str, Any]], charsets: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Lines of the tables, in the order of the rules.

    :raises PhraseError: a rule cannot be compiled
    """
    return [line for place, rule in enumerate(rules) for line in _lines(place, rule, charsets)]


def _lines(place: int, rule: Mapping[str, Any], charsets: Sequence[str] | None) -> Iterable[dict[str, Any]]:
    tables: dict[str, list[str]] = {}
    for header in headers_of(rule):
        for table in ("header_checks", "mime_header_checks") if header == ALL_HEADERS else [table_of(header)]:
            tables.setdefault(table, []).append(header)
    compiled = compile_rule(rule, charsets)
    for table, names in tables.items():
        for text, comment in compiled.patterns:
            pattern = _header_expression(names) + text
            yield line_of("header_phrases", place, rule, table, pattern, f"{', '.join(names)}: {comment}")


def line_of(
    variable: str, place: int, rule: Mapping[str, Any], table: str, pattern: str, comment: str
) -> dict[str, Any]:
    """A line as plain data; actions and replies are those of all content checks."""
    data = {
        "pattern": pattern,
        "flags": FLAGS,
        "action": str(rule.get("action") or "REJECT"),
        "text": str(rule.get("text") or "").replace("$", "$$"),  # no group of ours is for anybody to cite
        "observe": bool(rule.get("observe")),
        "comment": comment,
    }
    check = Check(variable, place, data)
    return {"table": table, "name": check.name, **data, "line": check.line, "footer": check.footer}
