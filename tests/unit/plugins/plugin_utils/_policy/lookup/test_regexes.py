# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Regular expressions of tables. The results are those of postmap(1) of Debian 12 and 13."""

from __future__ import annotations

import signal

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.regexes import (
    Dialect,
    Expression,
    Syntax,
    compile_expression,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SyntaxProblem

POSIX = [
    ("a.c", "xabcx", True),
    ("^user", "USER@example.org", True),
    (r"\d", "1d", False),  # no digit, and without regard to case not even the letter
    (r"\D", "d", True),
    (r"\.", "a.b", True),
    (r"[\.]", "\\", True),  # a backslash in brackets is a backslash
    ("[.-b]", "e", False),
    ("[.-b]", "B", True),
    ("[[:upper:]]", "b", True),
    ("[^A-C]", "b", False),
    (r"\<org\>", "example.org", True),
    ("a{2}", "aa", True),
    ("a{,2}$", "aaa", True),
    ("a|b|", "x", True),
    ("a)", "a)", True),
    (r"(a)\1", "aA", True),
    ("()", "", True),
    ("^é$", "é", True),
    ("^.$", "é", False),  # two bytes
]
PCRE = [
    (r"^\d+$", "123", True),
    (r"^a\Qb.c\E$", "ab.c", True),
    ("^(?i)a(?-i)B$", "AB", True),
    ("^(?i)a(?-i)B$", "Ab", False),
    (r"(?<!x)a", "xa", False),
    (r"(?<=ab|c)d", "cd", True),
    ("^a++b", "aab", True),
    ("^a++a", "aaa", False),
    ("^(?>a|ab)c", "abc", False),
    (r"\bfoo\b", "a foo b", True),
    (r"[[:alpha:]]{3}", "abc", True),
    (r"[^\s@]+@[^\s@]+", "a@b", True),
    ("a{x", "a{x", True),
    ("^(?|(a)|(b))$", "b", True),
    (r"\x41", "a", True),
    ("]", "]", True),
]
REFUSED = [
    (Syntax.POSIX, "*a"),
    (Syntax.POSIX, "a|*b"),
    (Syntax.POSIX, "^*"),
    (Syntax.POSIX, "(a"),
    (Syntax.POSIX, "[a"),
    (Syntax.POSIX, "a{2"),
    (Syntax.POSIX, "a{x}"),
    (Syntax.POSIX, "a{2,1}"),
    (Syntax.POSIX, "[z-a]"),
    (Syntax.POSIX, "[Z-a]"),
    (Syntax.POSIX, "[a-c-e]"),
    (Syntax.POSIX, "[[:nix:]]"),
    (Syntax.POSIX, r"\1(a)"),
    (Syntax.POSIX, r"(a)|\1"),
    (Syntax.POSIX, "a\\"),
    (Syntax.PCRE, "*a"),
    (Syntax.PCRE, "a)"),
    (Syntax.PCRE, "(a"),
    (Syntax.PCRE, "a{2}{3}"),
    (Syntax.PCRE, "^*"),
    (Syntax.PCRE, r"[a-\d]"),
    (Syntax.PCRE, r"[\w-.]"),
    (Syntax.PCRE, "[z-a]"),
    (Syntax.PCRE, r"\y"),
    (Syntax.PCRE, r"\2(a)"),
    (Syntax.PCRE, "(?<=a*)b"),
    (Syntax.PCRE, "(?Z)"),
]


def posix(text: str, options: str = "i") -> Expression:
    return compile_expression(text, Dialect(Syntax.POSIX), frozenset(options))


def pcre(text: str, options: str = "is") -> Expression:
    return compile_expression(text, Dialect(Syntax.PCRE), frozenset(options))


@pytest.mark.parametrize(("text", "subject", "matches"), POSIX)
def test_posix(text: str, subject: str, matches: bool) -> None:
    assert (posix(text).search(subject) is not None) == matches


@pytest.mark.parametrize(("text", "subject", "matches"), PCRE)
def test_pcre(text: str, subject: str, matches: bool) -> None:
    assert (pcre(text).search(subject) is not None) == matches


@pytest.mark.parametrize(("syntax", "text"), REFUSED)
def test_refused(syntax: Syntax, text: str) -> None:
    with pytest.raises(SyntaxProblem):
        compile_expression(text, Dialect(syntax), frozenset("i"))


@pytest.mark.parametrize(
    ("options", "subject", "matches"),
    [("s", "AB", False), ("isx", "ab", True), ("is", "ab", False), ("isA", "xa b", False), ("is", "xa b", True)],
)
def test_pcre_options(options: str, subject: str, matches: bool) -> None:
    assert (pcre("a b", options).search(subject) is not None) == matches


def test_basic_expression() -> None:
    assert posix(r"^\(a\)+\{0,1\}$", "x").groups == 1
    assert posix("(a)+", "x").search("(a)+") is not None


@pytest.mark.parametrize(
    ("text", "subject", "groups"),
    [
        ("^(.*)@(.*)$", "user@example.org", ("user@example.org", "user", "example.org")),
        ("(a)|(b)", "b", ("b", "", "b")),
        ("(a|ab)(c|bcd)?", "abcd", ("abcd", "a", "bcd")),
    ],
)
def test_groups(text: str, subject: str, groups: tuple[str, ...]) -> None:
    assert posix(text).search(subject) == groups


@pytest.mark.parametrize("text", ["(a*)*b", "(a|a)*b", "(a+)+$x", "(.*a){12}b"])
@pytest.mark.parametrize("compiled", [posix, pcre])
def test_no_expression_runs_away(compiled: object, text: str) -> None:
    """Backtracking through these takes longer than the alarm by many orders of magnitude, on any machine."""
    assert callable(compiled)
    signal.alarm(120)
    try:
        assert compiled(text).search("a" * 200) is None
    finally:
        signal.alarm(0)


@pytest.mark.parametrize("text", ["(?R)", "(?(1)a|b)", r"\p{L}", "(*UTF8)a"])
def test_what_cannot_be_evaluated_is_told(text: str) -> None:
    told: list[str] = []
    expression = compile_expression(text, Dialect(Syntax.PCRE, assume=told.append), frozenset("is"))
    assert expression.search("a") is None
    assert len(told) == 1


def test_interval_without_lower_limit_depends_on_the_release() -> None:
    new, old = Dialect(Syntax.PCRE, (3, 10)), Dialect(Syntax.PCRE, (3, 7))
    assert compile_expression("^a{,2}$", new, frozenset()).search("aa")
    assert compile_expression("^a{,2}$", old, frozenset()).search("a{,2}")
