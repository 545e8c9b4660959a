# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""main.cf as Postfix's readllines and split_nameval read it."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import main_cf

# (text, parameters)
PARSED: list[tuple[str, dict[str, str]]] = [
    ("", {}),
    ("# comment\n\n", {}),
    ("a = b", {"a": "b"}),
    ("a=b=c \t\n", {"a": "b=c"}),
    ("a =\n", {"a": ""}),
    ("a = b\n  c\n\td\n", {"a": "b  c\td"}),
    # Comments and blank lines do not end a value, whatever they begin with.
    ("a = b\n# no\n  # no\n\n  c\n", {"a": "b  c"}),
    ("a = b # c\n", {"a": "b # c"}),
    ("a =\n  b,\n  c\n", {"a": "b,  c"}),
    ("a = 1\nb = 2\na = 3\n", {"a": "3", "b": "2"}),
    ("  stray = 1\na = b\n", {"a": "b"}),
    ("A.b-c = x\n", {"A.b-c": "x"}),
]


@pytest.mark.parametrize(("text", "parameters"), PARSED)
def test_parse(text: str, parameters: dict[str, str]) -> None:
    assert main_cf.parse(text).parameters == parameters


def test_lines_and_duplicates() -> None:
    found = main_cf.parse("# x\na = 1\n  2\n\nb = 3\na = 4\na = 4\n")
    assert [(entry.name, entry.line) for entry in found.entries] == [("a", 2), ("b", 5), ("a", 6), ("a", 7)]
    assert [(lost.value, lost.line, kept.line) for lost, kept in found.duplicates] == [("1  2", 2, 7), ("4", 6, 7)]
    assert found.line("a") == 7 and found.line("b") == 5 and found.line("c") == 0


def test_stray_line_is_told() -> None:
    assert main_cf.parse(" a = 1\n").warnings == ("main.cf, line 1: logical line must not start with whitespace",)


def test_all_wrong_lines_at_once() -> None:
    with pytest.raises(PolicyError) as caught:
        main_cf.parse("smtpd\na = 1\n= 2\nb\0 = 3\n")
    assert str(caught.value).splitlines() == [
        "main.cf, line 1: missing '=' after attribute name: \"smtpd\"",
        'main.cf, line 3: missing attribute name: "= 2"',
        "main.cf, line 4: a null byte; Postfix does not read what follows it",
    ]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("a", "a"),
        ("permit_mynetworks,\n# comment\n  reject\n", "permit_mynetworks, reject"),
        ("\n  a\n\n  b", "a b"),
        ("# a", "# a"),
        ("", ""),
    ],
)
def test_value_of_several_lines(value: str, line: str) -> None:
    assert main_cf.value_of(value) == line


def test_render_is_read_back() -> None:
    parameters = {"a": "b  c", "empty": "", "list": "{ x = y }, z"}
    assert main_cf.parse(main_cf.render(parameters)).parameters == parameters
