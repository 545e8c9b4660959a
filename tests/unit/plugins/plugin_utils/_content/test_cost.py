# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Expressions that a stranger can make match for ever are told from those that only look like it."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._content.cost import danger_of
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SyntaxProblem

OPTIONS = frozenset("is")


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a*)*b",
        "(a|a)*$",
        "(a|ab|b)*$",
        "(.*)*x",
        r"(\w+\s?)*$",
        r"(\s*\w+)*$",
        "([a-z]{1,50}){1,30}!",
        "(x{0,50})*y",
        "(?=(a+)+$)b",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        r"^(?:[^@]|.)+@",
        "(?i)(?:A|a)+$",
    ],
)
def test_a_text_that_can_be_cut_in_many_ways_is_refused(pattern: str) -> None:
    danger = danger_of(pattern, OPTIONS)
    assert danger and "doubles" in danger.reason


@pytest.mark.parametrize("pattern", ["(.*a){12}", ".*a.*b.*c.*d.*e", "(.+,){30}", r"\s*\S*\s*\S*x.*y.*z.*"])
def test_a_text_that_many_repetitions_can_share_is_refused(pattern: str) -> None:
    danger = danger_of(pattern, OPTIONS)
    assert danger and "power of the length" in danger.reason


@pytest.mark.parametrize(
    "pattern",
    [
        "^Subject: .*cheap.*watches",
        "^(From|To): .*<.*@.*\\.example>",
        "(foo|bar)+$",
        "(foo|fob)*$",
        "(a|ba)*$",
        "(?>a+)+$",
        "(?:a++b?)*$",
        "(?:[^,]*,)*x",
        r"(\d{4}-\d{2} )*x",
        r'"[^"\\]*(?:\\.[^"\\]*)*"',
        "^[a-z]+: [0-9]+ [a-z]+ [0-9]+ [a-z]+ [0-9]+$",
        r"(?:[a-z0-9-]{1,63}\.){1,127}[a-z]{2,63}$",
        "a?" * 20 + "a" * 20,
        "(?:" + "|".join(f"\\x{byte:02x}" for byte in range(128, 228)) + ")+$",
        "(?:" + "|".join(f".\\x{byte:02x}" for byte in range(128, 188)) + ")*$",
        r"\p{L}(?R)?",
        "",
    ],
)
def test_what_costs_little_passes(pattern: str) -> None:
    assert danger_of(pattern, OPTIONS) is None


def test_case_matters_where_it_is_told_apart() -> None:
    assert danger_of("(a|A)*b", frozenset("s")) is None
    assert danger_of("(a|A)*b", OPTIONS) is not None


def test_what_does_not_compile_is_no_question_of_cost() -> None:
    with pytest.raises(SyntaxProblem):
        danger_of("(a", OPTIONS)
