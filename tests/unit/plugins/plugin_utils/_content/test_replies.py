# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Replies in any language: one line of ASCII in the table, the rest beside it."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._content.replies import (
    REFUSED,
    Reply,
    footer_line,
    text_faults,
)


@pytest.mark.parametrize(
    ("text", "first", "more"),
    [
        ("", "", ()),
        ("5.7.1 No", "5.7.1 No", ()),
        ("  No\n", "No", ()),
        ("No, thanks\nNein", "No, thanks (x[1])", ("Nein",)),
        ("5.7.1 첨부 파일", f"5.7.1 {REFUSED} (x[1])", ("첨부 파일",)),
        ("5.7.1 No\n\n  아니요  \nNon", "5.7.1 No (x[1])", ("아니요", "Non")),
        ("Grüße\nand regards", f"{REFUSED} (x[1])", ("Grüße", "and regards")),
    ],
)
def test_the_first_line_is_ascii_and_names_the_rule(text: str, first: str, more: tuple[str, ...]) -> None:
    assert Reply.of(text, "x[1]") == Reply(first, more)


def test_the_other_lines_stand_behind_the_name_of_the_rule() -> None:
    assert footer_line("x[1]", Reply.of("No\nfür 5 $\nund $1", "x[1]")) == r"/ \(x\[1\]\)$/ für 5 $$$$\nund $$$$1"
    assert footer_line("x[1]", Reply.of("No", "x[1]")) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [("550 5.7.1 No", "reply code"), ("x" * 451, "octets"), ("가" * 151, "octets"), ("a\x07b", "control character")],
)
def test_a_text_that_no_reply_can_hold(text: str, reason: str) -> None:
    (fault,) = text_faults(text)
    assert reason in fault.reason


def test_a_text_that_begins_with_a_number_is_no_code() -> None:
    assert text_faults("55 times is enough\n5000 too") == []
