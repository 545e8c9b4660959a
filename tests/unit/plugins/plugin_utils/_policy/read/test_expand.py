# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Macros, after the grammar of Postfix's mac_expand."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.expand import MacroError, expand, names

VALUES = {
    "a": "x",
    "b": "$a$a",
    "empty": "",
    "level": "3.6",
    "self": "$self",
    "wrong": "${a",
    "dollar": "$$a",
    "umlaut": "b\u00fccher.example",
    **{f"chain{number}": f"$chain{number + 1}" for number in range(200)},
    "chain200": "end",
}

EXPANDED = [
    ("plain", "plain"),
    ("$a ${a} $(a) ${ a } $(a )", "x x x x x"),
    ("$b/$a.c", "xx/x.c"),
    ("$$a $$$a", "$a $x"),
    # A default that is expanded again: its $ counts then.
    ("$dollar", "$a"),
    ("<$none><${none}><$empty>", "<><><>"),
    ("${a?yes}${a:no}${none?yes}${none:no}${empty:no}", "yesnono"),
    ("${a?{yes}:{no}} ${none ? {yes} : {no}}", "yes no"),
    ("${a?{yes}:no} ${none?{yes}: no }", "yes  no "),
    # Text that is not in braces ends the macro, with everything in it.
    ("${a?b:c} ${a??foo} ${none::foo}", "b:c ?foo :foo"),
    ("${a?$b}", "xx"),
    ("${{$a} == {x} ? {yes} : {no}}", "yes"),
    ("${{$a} != {x}}|${{$a} == {x}}", "|true"),
    ("${{9} < {10} ? {number}} ${{9} > {10x} ? {text}}", "number text"),
    ("${{$level} <level {3.10} ? {older} : {newer}}", "older"),
    ("${{$level} < {3.10} ? {older} : {newer}}", "newer"),
    ("${{$level} >=level {3} ? {yes} : {no}}", "yes"),
    ("${{$none} == {} ? {yes}}", "yes"),
    ("${}}$a", None),
    ("$chain150", "end"),
    ("$chain20", None),
]


@pytest.mark.parametrize(("text", "result"), EXPANDED)
def test_expand(text: str, result: str | None) -> None:
    if result is None:
        with pytest.raises(MacroError):
            expand(text, VALUES.get)
    else:
        assert expand(text, VALUES.get) == result


WRONG = [
    ("$", "empty macro name"),
    ("a$ b", "empty macro name"),
    ("/x$/", "empty macro name"),
    ("$()", "empty macro name"),
    ("${a", "truncated macro reference"),
    ("$(a}", "truncated macro reference"),
    ("${a b}", "attribute name syntax error"),
    ("${a-b}", "attribute name syntax error"),
    ("${a?{b}c}", '":" expected'),
    ("${a?{b}:{c}d}", "unexpected input"),
    ("${{a}}", '"==" or "!="'),
    ("${{a} = {b}}", '"==" or "!="'),
    ("${{a} == b}", '"{expression}" expected'),
    ("${{a} == {b} x}", '"?" or ":" expected'),
    ("${{a} ==lvl {b}}", "bad operator suffix"),
    ("${{3.x} ==level {3}}", "malformed compatibility level"),
    ("${{99999999999999999999} == {1}}", "bad conversion"),
    ("$self", "unreasonable macro call nesting"),
    ("${{$self} == {x}}", "unreasonable macro call nesting"),
    ("$wrong", "truncated macro reference"),
    ("${domain_to_ascii{a}}", "attribute name syntax error"),
]


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_errors(text: str, reason: str) -> None:
    with pytest.raises(MacroError) as caught:
        expand(text, VALUES.get)
    assert reason in str(caught.value)


def test_branch_not_taken_is_not_read() -> None:
    assert expand("${a?{b}:{$}}", VALUES.get) == "b"


def test_functions_of_311() -> None:
    assert expand("${domain_to_ascii{$umlaut}}", VALUES.get, functions=True) == "xn--bcher-kva.example"
    assert expand("${domain_to_utf8{ xn--bcher-kva.example }}", VALUES.get, functions=True) == "b\u00fccher.example"
    with pytest.raises(MacroError, match="unknown function"):
        expand("${upper{a}}", VALUES.get, functions=True)


def test_growth_is_bounded() -> None:
    doubling = {f"n{number}": f"$n{number + 1}$n{number + 1}" for number in range(90)} | {"n90": "x"}
    with pytest.raises(MacroError, match="grows beyond"):
        expand("$n0", doubling.get)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$a ${b?{$c}:{${d}}} $$e", {"a", "b", "c", "d"}),
        ("${{$level} <level {3.6} ? {$x} : {no}}", {"level", "x"}),
        ("${broken", set()),
        ("plain", set()),
    ],
)
def test_names(text: str, found: set[str]) -> None:
    assert names(text) == found
