# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Content checks that would not do what they say are told of at the rule, before a host is touched."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils import _rules_content
from ansible_collections.postern.mail.plugins.plugin_utils._content.places import sound
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake
from ansible_collections.postern.mail.plugins.plugin_utils._rules import check

HEADER, MIME, BODY = "postfix_header_checks", "postfix_mime_header_checks", "postfix_body_checks"
NESTED, MILTER, PHRASES = "postfix_nested_header_checks", "postfix_milter_header_checks", "postfix_header_phrases"


def found(variable: str, *rules: dict[str, Any], **more: Any) -> list[Mistake]:
    return check(Inventory({"mail_features": ["postfix"], variable: list(rules), **more}), _rules_content.RULES)


def rule(pattern: str = "^X-A:", action: str = "REJECT", **more: Any) -> dict[str, Any]:
    return {"pattern": pattern, "action": action, **more}


BROKEN = [
    (HEADER, rule("[z-a]"), "pattern", ".pattern", "Correct"),
    (HEADER, rule("a(?<n>b"), "pattern", ".pattern", "Correct"),
    (HEADER, rule(""), "pattern", ".pattern", "one line"),
    (HEADER, rule("a\nb"), "pattern", ".pattern", "one line"),
    (HEADER, rule("/a/"), "pattern", ".pattern", "Write: a"),
    (HEADER, rule("a", flags="q"), "pattern", ".flags", "AEUX"),
    (HEADER, rule("^Subject: (a+)+$"), "pattern-cost", ".pattern", "one way"),
    (HEADER, rule("^Subject: (.*a){12}"), "pattern-cost", ".pattern", "[^,]*"),
    (HEADER, rule("^Content-Type: image"), "check-table", ".pattern", MIME),
    (HEADER, rule("^Content-(Type|Disposition): "), "check-table", ".pattern", MIME),
    (NESTED, rule("^(Content-Disposition|X-A):"), "check-table", ".pattern", MIME),
    (HEADER, rule(action="FILTER"), "action-text", ".text", "smtp:["),
    (HEADER, rule(action="FILTER", text="amavis"), "action-text", ".text", "smtp:["),
    (HEADER, rule(action="REDIRECT", text="bob"), "action-text", ".text", "@example"),
    (HEADER, rule(action="BCC"), "action-text", ".text", "example"),
    (HEADER, rule(action="PREPEND"), "action-text", ".text", "Write the line"),
    (HEADER, rule(action="PREPEND", text="checked"), "action-text", ".text", "X-Checked"),
    (HEADER, rule(action="REPLACE", text="Grüße: an alle"), "action-text", ".text", "X-Checked"),
    (HEADER, rule(action="REPLACE", text="X-A: Grüße"), "action-text", ".text", "=?utf-8?"),
    (HEADER, rule(action="REPLACE", text="X-A: $1"), "action-text", ".text", "Correct"),
    (HEADER, rule(action="REPLACE", text="X-A: 5 $ off"), "action-text", ".text", "$$"),
    (HEADER, rule(action="REPLACE", text="X-A: a\nX-B: b"), "action-text", ".text", "one line"),
    (HEADER, rule(action="IGNORE", text="why"), "action-text", ".text", "comment"),
    (HEADER, rule(text="4.7.1 later"), "action-text", ".text", "5.7.1"),
    (HEADER, rule(text="550 no"), "reply-text", ".text", "enhanced"),
    (HEADER, rule(action="WARN", observe=True), "observe", ".observe", "Remove"),
    (HEADER, rule(samples={"match": ["X-A: 1", "X-B: 1"]}), "sample", ".samples.match[1]", "Correct"),
    (HEADER, rule(samples={"pass": ["X-B: 1", "x-a: 1"]}), "sample", ".samples.pass[1]", "Correct"),
    (MILTER, rule(action="PASS"), "action-text", ".action", "DUNNO"),
    (BODY, rule(action="PREPEND"), "action-text", ".text", "Write the line"),
]


@pytest.mark.parametrize(("variable", "broken", "kind", "key", "fix"), BROKEN)
def test_a_rule_that_does_nothing(variable: str, broken: dict[str, Any], kind: str, key: str, fix: str) -> None:
    (mistake,) = found(variable, rule("^X-Fine:"), broken)
    assert (mistake.rule, mistake.variable, mistake.element) == (kind, variable, f"[1]{key}")
    assert mistake.severity == "error"
    assert fix in mistake.fix
    assert sound({variable: [rule("^X-Fine:"), broken]}) == {variable: [rule("^X-Fine:")]}


@pytest.mark.parametrize(
    ("variable", "fine"),
    [
        (HEADER, rule(r"^Subject: \p{L}+(?<x>a)\k<x>(?(DEFINE)(b))")),
        (HEADER, rule("^Received: .*\\[192\\.0\\.2\\.", "IGNORE")),
        (HEADER, rule("^X-A: (.*)", "PREPEND", text="X-B: $1 for $$5")),
        (HEADER, rule("^X-A: (.*)", observe=True, text="첨부", comment="costs $5")),
        (HEADER, rule("^Content-Language: ko")),
        (HEADER, rule("^Content-Type-Extra: ")),
        (HEADER, rule(samples={"match": ["X-A: 1\n folded"], "pass": ["X-B: X-A:"]})),
        (MIME, rule(r'^Content-Type: .*name="[^"]*\.exe"', text="5.7.1 No programs\n프로그램은 받지 않습니다")),
        (BODY, rule("^-- $", "IGNORE")),
        (BODY, rule("^begin", "REPLACE", text="no header here")),
        (MILTER, rule("^X-Spam: yes", "HOLD", text="spam")),
    ],
)
def test_a_rule_that_does_what_it_says(variable: str, fine: dict[str, Any]) -> None:
    assert found(variable, fine) == []
    assert sound({variable: [fine]}) == {}


def test_a_sample_that_an_earlier_rule_takes() -> None:
    (mistake,) = found(HEADER, rule("^X-A:"), rule("^X-A: 1", "HOLD", samples={"match": ["X-A: 1"]}))
    assert (mistake.rule, mistake.element) == ("sample", "[1].samples.match[0]")
    assert "element [0]" in mistake.reason


def test_the_same_pattern_twice() -> None:
    (mistake,) = found(HEADER, rule("^X-A:"), rule("^X-B:"), rule("^X-A:", "HOLD"))
    assert (mistake.rule, mistake.element) == ("check-duplicate", "[2].pattern")


def test_text_for_the_log_that_it_cannot_show() -> None:
    (mistake,) = found(HEADER, rule(action="WARN", text="광고"))
    assert (mistake.rule, mistake.severity) == ("action-text", "warning")


@pytest.mark.parametrize(
    ("phrase", "kind", "severity", "says"),
    [
        ({"phrase": "(광고)", "charsets": ["iso-8859-1"]}, "phrase", "error", "no charset"),
        ({"phrase": "(광고)", "charsets": ["utf-8", "iso-2022-jp"]}, "phrase-charset", "error", "iso-2022-jp has no"),
        ({"phrase": "(광고)", "charsets": ["klingon"]}, "phrase", "error", "klingon"),
        ({"phrase": " "}, "phrase", "error", "empty"),
        ({"phrase": "광고☃"}, "phrase-charset", "warning", "euc-kr has no ☃"),
        ({"phrase": "adv", "action": "REDIRECT", "text": "bob"}, "action-text", "error", "address"),
        ({"phrase": "adv", "action": "DUNNO", "observe": True}, "observe", "error", "nothing to try"),
    ],
)
def test_a_phrase_that_cannot_be_looked_for(phrase: dict[str, Any], kind: str, severity: str, says: str) -> None:
    mistake = found(PHRASES, {"phrase": "(광고)"}, phrase)[0]
    assert (mistake.rule, mistake.severity, mistake.element.partition(".")[0]) == (kind, severity, "[1]")
    assert says in mistake.reason


def test_charsets_for_all_phrases_may_lack_characters_of_some() -> None:
    both = {"postfix_phrase_charsets": ["utf-8", "euc-kr", "iso-2022-jp"]}
    assert {each.severity for each in found(PHRASES, {"phrase": "(광고)"}, **both)} == {"warning"}


@pytest.mark.parametrize(
    ("attachment", "kind"),
    [
        ({}, "attachment-name"),
        ({"extensions": [], "text": "No"}, "attachment-name"),
        ({"extensions": ["exe"], "action": "FILTER"}, "action-text"),
        ({"extensions": ["exe"], "action": "WARN", "observe": True}, "observe"),
    ],
)
def test_attachments_that_cannot_be_looked_for(attachment: dict[str, Any], kind: str) -> None:
    (mistake,) = found("postfix_attachment_names", {"extensions": ["dangerous"], "text": "실행 파일"}, attachment)
    assert (mistake.rule, mistake.element.partition(".")[0]) == (kind, "[1]")


@pytest.mark.parametrize(("size", "wrong"), [("50K", False), ("51200", False), ("much", True), ("1.5M", True)])
def test_how_much_of_a_body_is_a_size(size: str, wrong: bool) -> None:
    mistakes = found("postfix_body_checks_size_limit", postfix_body_checks_size_limit=size)
    assert bool(mistakes) == wrong
