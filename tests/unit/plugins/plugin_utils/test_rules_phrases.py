# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about phrases in headers and names of attachments."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._rules import check
from ansible_collections.postern.mail.plugins.plugin_utils._rules_phrases import RULES


def found(**values: Any) -> list[tuple[str, str]]:
    inventory = Inventory(values={"mail_features": ["postfix"], **values}, roles=frozenset({"postfix"}))
    return [(mistake.severity, mistake.variable + mistake.element) for mistake in check(inventory, RULES)]


@pytest.mark.parametrize(
    ("rule", "elements"),
    [
        ({"phrase": "(광고)", "variants": ["[광고]"], "header": ["Subject", "X-Title"]}, []),
        ({"phrase": "(광고)", "header": "*"}, []),
        ({"phrase": "광", "header": "X.Odd_Name"}, []),
        ({"phrase": "a"}, [".phrase"]),
        ({"phrase": "a\x00b"}, [".phrase"]),
        ({"phrase": "(광고)", "header": "Subject:"}, [".header"]),
        ({"phrase": "(광고)", "header": "Sub ject"}, [".header"]),
        ({"phrase": "(광고)", "header": ["Subject", "제목"]}, [".header[1]"]),
        ({"phrase": "(광고)", "header": []}, [".header"]),
        ({"phrase": "(광고)", "header": 7}, [".header"]),
        ({"phrase": "(광고)", "variants": ["", "(광고)", "[광고]", "[광고]"]}, [f".variants[{n}]" for n in (0, 1, 3)]),
    ],
)
def test_phrases(rule: dict[str, Any], elements: list[str]) -> None:
    assert found(postfix_header_phrases=[rule]) == [("error", f"postfix_header_phrases[0]{each}") for each in elements]


def test_white_space_around_a_phrase_is_told_as_a_warning() -> None:
    assert found(postfix_header_phrases=[{"phrase": " (광고)"}]) == [("warning", "postfix_header_phrases[0].phrase")]


@pytest.mark.parametrize(
    ("rule", "elements"),
    [
        ({"extensions": ["exe", ".scr", "*.js", "dangerous", "tar.gz", "ex_"]}, []),
        ({"names": ["invoice*.zip", "송장?.zip", "*a*b*c*"]}, []),
        ({"extensions": ["", "*", "e*e", "a b", "a/b", "exe."]}, [f".extensions[{n}]" for n in range(6)]),
        ({"names": ["*", "*.*", "??", "a/b.exe", "a\nb", "a.exe.", " a.exe"]}, [f".names[{n}]" for n in range(7)]),
        ({"names": ["a*b*c*d"]}, [".names[0]"]),
    ],
)
def test_attachments(rule: dict[str, Any], elements: list[str]) -> None:
    assert found(postfix_attachment_names=[rule]) == [
        ("error", f"postfix_attachment_names[0]{each}") for each in elements
    ]
