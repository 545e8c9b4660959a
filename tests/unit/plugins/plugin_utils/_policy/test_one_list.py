"""One restriction list by itself: its plain form, and all its mistakes at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.one_list import STAGES, judged


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ([], []),
        ("", []),
        ("permit_mynetworks, reject", ["permit_mynetworks", "reject"]),
        ("permit_mynetworks\n reject\n", ["permit_mynetworks", "reject"]),
        (["PERMIT_MYNETWORKS,reject_unauth_destination"], ["permit_mynetworks", "reject_unauth_destination"]),
        (["check_client_access   lmdb:/x", "sleep 1"], ["check_client_access lmdb:/x", "sleep 1"]),
        (["lmdb:/x", "permit"], ["lmdb:/x", "permit"]),
        (
            [{"name": "check_sender_access", "table": "lmdb:/x", "warn": True}, "reject_unlisted_sender"],
            ["warn_if_reject check_sender_access lmdb:/x", "reject_unlisted_sender"],
        ),
        (
            [{"name": "reject_rbl_client", "domain": "bl.example.org", "filter": "127.0.0.[2..11]"}],
            ["reject_rbl_client bl.example.org=127.0.0.[2..11]"],
        ),
        ({"name": "sleep", "seconds": 5}, ["sleep 5"]),
        (
            ["check_client_access inline:{192.0.2.1=OK, x=DUNNO}"],
            ["check_client_access inline:{192.0.2.1=OK, x=DUNNO}"],
        ),
        (
            ["check_policy_service { unix:private/x, default_action=DUNNO }"],
            ["check_policy_service { unix:private/x, default_action=DUNNO }"],
        ),
    ],
)
def test_a_list_is_written_in_its_plain_form(value: Any, plain: list[str]) -> None:
    assert judged(value).accepted() == plain


@pytest.mark.parametrize("stage", ["", None, *STAGES, *(f"smtpd_{stage}_restrictions" for stage in STAGES)])
def test_a_list_that_ends_every_session_is_right_at_every_stage(stage: str | None) -> None:
    """Whether strangers or users meet it, the list does not know."""
    assert judged(["permit_sasl_authenticated", "reject"], stage).mistakes == []


@pytest.mark.parametrize("stage", ["client", "helo", "sender", "relay", "recipient"])
def test_the_guard_may_stand_in_any_list(stage: str) -> None:
    assert judged(["permit_mynetworks", "reject_unauth_destination"], stage).mistakes == []


@pytest.mark.parametrize(
    ("stage", "value", "words"),
    [
        ("relay", ["check_helo_access inline:{x=OK}", "reject_unauth_destination"], "says HELO x"),
        ("relay", ["permit_mx_backup", "reject_unauth_destination"], "permit_mx_backup"),
    ],
)
def test_what_lets_strangers_relay_is_told(stage: str, value: list[str], words: str) -> None:
    mistakes = judged(value, stage).mistakes
    assert words in mistakes[0]


BROKEN = [
    ("reject_unknown_sender", "reject_unknown_sender", "Write: reject_unknown_sender_domain"),
    ("permit; reject", "permit;", "permit"),
    ("# note", "#", ""),
    ("check_client_access", "check_client_access", "check_client_access"),
    ("check_client_access /x", "check_client_access /x", "/x"),
    ("reject_rbl_client", "reject_rbl_client", "bl.example.org"),
    ("reject_rbl_client reject_unauth_destination", "reject_rbl_client reject_unauth_destination", "domain"),
    ("check_policy_service private/policy", "private/policy", "unix:private/policy"),
    ("reject_unauth_destination:", "reject_unauth_destination:", "reject_unauth_destination"),
    ("check_relay_domains", "check_relay_domains", "reject_unauth_destination"),
    ("reject_rbl_client dnsbl.sorbs.net", "dnsbl.sorbs.net", ""),
    ("sleep soon", "sleep soon", "sleep"),
]


@pytest.mark.parametrize(("item", "element", "fix"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_mistake_is_told_with_its_place_and_its_fix(item: str, element: str, fix: str) -> None:
    mistakes = judged(["permit_mynetworks, sleep 1", item], "recipient").mistakes
    assert mistakes, item
    assert mistakes[0].startswith("[1] "), mistakes
    assert element in mistakes[0].splitlines()[0]
    assert fix in "\n".join(mistakes)
    assert len(mistakes[0].splitlines()) == 3


def test_all_mistakes_are_told_at_once_in_the_order_of_the_list() -> None:
    value = ["rejectt", {"name": "check_helo_access"}, 7, "permit_mynetwork", "check_helo_access /x"]
    with pytest.raises(PolicyError) as error:
        judged(value).accepted()
    text = str(error.value)
    assert text.startswith("5 mistakes:\n")
    places = [text.index(part) for part in ("[1].table", "[2]", "[0] rejectt", "[3] permit_mynetwork", "[4] check")]
    assert places == sorted(places)


def test_versions_differ() -> None:
    assert judged(["check_relay_domains"], "relay", "3.10").mistakes
    (mistake,) = judged(["check_relay_domains"], "relay", "3.10").mistakes
    assert "check_relay_domains" in mistake


@pytest.mark.parametrize("classes", ["own, other", ["own", "other"], {"own": ["sleep 1"], "other": "reject"}])
def test_classes_are_known_when_they_are_named(classes: Any) -> None:
    assert judged(["permit_mynetworks", "own"]).mistakes
    assert judged(["permit_mynetworks", "own"], classes=classes).mistakes == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"value": None}, "the list: it must be a list or text, and it is empty (null). Write [] for none"),
        ({"value": 5}, "the list: it must be a list or text, and it is the number 5"),
        ({"value": [], "stage": "recipent"}, "did you mean recipient?"),
        ({"value": [], "stage": "mail"}, "Lists are client, helo, sender, relay, recipient, data, end_of_data, etrn"),
        ({"value": [], "version": 3.1}, 'version="3.10"'),
        ({"value": [], "classes": 5}, "classes: it must be a list of names or a dictionary"),
    ],
)
def test_a_wrong_call_is_told_as_that(call: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyError) as error:
        judged(**call)
    assert words in str(error.value)
