# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Postfix cuts text."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import (
    SyntaxProblem,
    balanced,
    fold,
    key_value,
    logical_lines,
    tokens,
    unwrapped,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a, b\tc\n d", ["a", "b", "c", "d"]),
        ("{ a b } c", ["{ a b }", "c"]),
        ("x:{ a { b } } d", ["x:{ a { b } }", "d"]),
        ("{a b", ["{a b"]),
        ("a} b", ["a}", "b"]),
        ("", []),
        (",,", []),
    ],
)
def test_tokens(text: str, words: list[str]) -> None:
    assert list(tokens(text)) == words


@pytest.mark.parametrize(("text", "length"), [("{a}", 3), ("{a{b}c}d", 7), ("{a", 0), ("a{b}", 0)])
def test_balanced(text: str, length: int) -> None:
    assert balanced(text) == length


@pytest.mark.parametrize("text", ["a", "{a", "{a}b"])
def test_unwrapped_wants_one_pair(text: str) -> None:
    with pytest.raises(SyntaxProblem):
        unwrapped(text)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("a=b", ("a", "b")),
        (" a  =  b c ", ("a", "b c")),
        ('"a b"=c', ('"a b"', "c")),
        ("a\\=b=c", ("a\\=b", "c")),
        ("a=", ("a", "")),
    ],
)
def test_key_value(text: str, pair: tuple[str, str]) -> None:
    assert key_value(text) == pair


@pytest.mark.parametrize("text", ["a", "", "a b=c", '"a=b'])
def test_no_key_value(text: str) -> None:
    with pytest.raises(SyntaxProblem):
        key_value(text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\nb", [(1, "a"), (2, "b")]),
        ("a\n b\n\tc\n", [(1, "a b\tc")]),
        ("a\n# comment\n b\n", [(1, "a b")]),
        ("a\n\n b\n", [(1, "a b")]),
        ("# comment\n\n  \na\n", [(4, "a")]),
        (" lost\na\n", [(2, "a")]),
        ("a\n  # comment\n b", [(1, "a b")]),
        ("", []),
    ],
)
def test_logical_lines(text: str, lines: list[tuple[int, str]]) -> None:
    assert list(logical_lines(text)) == lines


def test_fold() -> None:
    assert fold("ÄA") == "äa"
    assert fold("ÄA", utf8=False) == "Äa"
