# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a verdict tells beside the replies: who decided, and what was evaluated before. The replies themselves are held
to the real smtpd's in tests/differential."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import RESTRICTIONS
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue_model import (
    Argument as CatalogueArgument,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Decision, PolicyError, Session, Stage
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.engine import simulate
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import Argument
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.registry import RULES

BASE = {
    "compatibility_level": "3.6",
    "myhostname": "mx.example.org",
    "mydomain": "example.org",
    "mydestination": "example.org",
    "mynetworks": "127.0.0.0/8",
    "local_recipient_maps": "inline:{ {user=x} }",
    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
}
SESSION = Session(
    addr="192.0.2.7",
    name="client.example.net",
    helo="helo.example.net",
    sender="a@example.net",
    rcpts=("user@example.org",),
)
RELAY, RECIPIENT, CLIENT = "smtpd_relay_restrictions", "smtpd_recipient_restrictions", "smtpd_client_restrictions"


def last(params: dict[str, str], session: Session = SESSION, version: str = "3.10", **arguments: Any) -> Stage:
    """The last stage of a session."""
    return simulate(Policy.of({**BASE, **params}, version=version), session, **arguments).stages[-1]


@pytest.mark.parametrize(
    ("params", "change", "decision"),
    [
        ({}, {}, None),
        ({}, {"addr": "127.0.0.1"}, Decision(RELAY, 0, "permit_mynetworks")),
        ({}, {"rcpts": ("x@example.com",)}, Decision(RELAY, 1, "reject_unauth_destination")),
        ({}, {"rcpts": ("no@example.org",)}, Decision("smtpd_reject_unlisted_recipient", None, "")),
        ({RECIPIENT: "reject"}, {"addr": "127.0.0.1"}, Decision(RECIPIENT, 0, "reject")),
        (
            {CLIENT: "permit_mynetworks, warn_if_reject reject, check_client_access inline:{{net=REJECT}}"},
            {},
            Decision(CLIENT, 2, "check_client_access inline:{{net=REJECT}}"),
        ),
        (
            {CLIENT: "grey, reject", "smtpd_restriction_classes": "grey", "grey": "permit_mynetworks, defer"},
            {},
            Decision(CLIENT, 0, "grey"),
        ),
        ({CLIENT: "defer_if_permit", RECIPIENT: "permit"}, {}, Decision(CLIENT, 0, "defer_if_permit")),
        (
            {RECIPIENT: "permit_mynetworks, defer_if_reject, reject"},
            {},
            Decision(RECIPIENT, 1, "defer_if_reject"),
        ),
        ({RECIPIENT: "permit_mynetworks, nonsense"}, {}, Decision(RECIPIENT, 1, "nonsense")),
        ({"smtpd_helo_required": "yes"}, {"helo": None, "rcpts": ()}, Decision("smtpd_helo_required", None, "")),
        ({"disable_vrfy_command": "yes"}, {"vrfy": "user"}, Decision("disable_vrfy_command", None, "")),
    ],
)
def test_who_decided(params: dict[str, str], change: dict[str, Any], decision: Decision | None) -> None:
    assert last(params, replace(SESSION, **change)).decided_by == decision


def test_trail_goes_through_all_lists() -> None:
    stage = last(
        {
            CLIENT: "permit_mynetworks",
            "smtpd_restriction_classes": "strict",
            "strict": "reject_non_fqdn_sender, defer_if_permit",
            RECIPIENT: "warn_if_reject reject, strict",
        }
    )
    assert [(step.parameter, step.index, step.element, step.result, step.depth) for step in stage.trail] == [
        (CLIENT, 0, "permit_mynetworks", "dunno", 0),
        (RELAY, 0, "permit_mynetworks", "dunno", 0),
        (RELAY, 1, "reject_unauth_destination", "dunno", 0),
        (RECIPIENT, 0, "warn_if_reject reject", "warn", 0),
        (RECIPIENT, 1, "strict", "dunno", 0),
        ("strict", 0, "reject_non_fqdn_sender", "dunno", 1),
        ("strict", 1, "defer_if_permit", "defer_if_permit", 1),
    ]
    assert stage.action == "defer"


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({CLIENT: "permit_mynetworks, reject"}, "client.example.net[192.0.2.7] is not in mynetworks"),
        ({CLIENT: "check_client_access hash:/etc/postfix/access"}, "hash:/etc/postfix/access has net: REJECT"),
        (
            {"smtpd_sender_restrictions": "reject_unlisted_sender"},
            "example.net is not ours: nobody here knows its users",
        ),
        ({CLIENT: "reject_unknown_client_hostname"}, "the client's verified name is client.example.net"),
    ],
)
def test_why(params: dict[str, str], why: str) -> None:
    policy = Policy.of({**BASE, **params}, tables={"hash:/etc/postfix/access": "net REJECT\n"})
    assert simulate(policy, SESSION).stages[-1].trail[0].why == why


@pytest.mark.parametrize(
    ("params", "session", "action"),
    [
        ({}, SESSION, "permit"),
        ({CLIENT: "reject"}, SESSION, "reject"),
        ({CLIENT: "defer"}, SESSION, "defer"),
        ({CLIENT: "static:DISCARD"}, SESSION, "discard"),
        ({CLIENT: "static:DISCARD"}, replace(SESSION, data=True), "discard"),
        ({CLIENT: "reject_rbl_client bl.example=x"}, SESSION, "crash"),
    ],
)
def test_action(params: dict[str, str], session: Session, action: str) -> None:
    assert last(params, session).action == action


def test_every_word_of_the_catalogue_is_played() -> None:
    known = {name for name, entry in RESTRICTIONS.items() if entry.implemented and not entry.expansion}
    assert known - {"warn_if_reject"} == set(RULES)


@pytest.mark.parametrize("name", sorted(RULES))
def test_catalogue_and_simulator_agree_on_arguments(name: str) -> None:
    """The catalogue cuts lists into elements; evaluation must eat the same words."""
    pairs = {
        CatalogueArgument.NONE: Argument.NONE,
        CatalogueArgument.TABLE: Argument.TABLE,
        CatalogueArgument.DOMAIN: Argument.DOMAIN,
        CatalogueArgument.POLICY_SERVICE: Argument.SERVICE,
        CatalogueArgument.SECONDS: Argument.SECONDS,
    }
    assert pairs[RESTRICTIONS[name].argument] is RULES[name].argument


@pytest.mark.parametrize(
    ("params", "arguments", "assumption"),
    [
        ({RECIPIENT: "check_policy_service unix:private/p"}, {}, "unix:private/p answers is not known: taken as not"),
        (
            {RECIPIENT: "check_policy_service unix:private/p"},
            {"absent_services": "dunno"},
            "unix:private/p answers is not known: taken as DUNNO",
        ),
        ({RECIPIENT: "check_sender_access mysql:/etc/postfix/x"}, {}, "mysql:/etc/postfix/x answers is not known"),
        ({RECIPIENT: "reject_unverified_recipient"}, {}, "user@example.org can be delivered to is not known"),
        ({"smtpd_milters": "unix:/run/x"}, {}, "The milters unix:/run/x (smtpd_milters) are taken to accept"),
        ({"smtpd_command_filter": "pcre:/x"}, {}, "smtpd_command_filter is not played"),
        (
            {RECIPIENT: "check_sender_access hash:/etc/postfix/x"},
            {"absent_tables": "empty"},
            "hash:/etc/postfix/x was not given",
        ),
    ],
)
def test_assumptions(params: dict[str, str], arguments: dict[str, Any], assumption: str) -> None:
    verdict = simulate(Policy.of({**BASE, **params}), SESSION, **arguments)
    assert any(assumption in text for text in verdict.assumptions)


def test_no_assumption_without_a_need() -> None:
    params = {**BASE, "smtpd_sender_restrictions": "check_sender_access mysql:/x"}
    policy = Policy.of({**params, "smtpd_client_restrictions": "reject"})
    assert simulate(policy, SESSION).assumptions == ()


@pytest.mark.parametrize(
    ("answer", "code"), [("DUNNO", 250), ("action=REJECT", 554), ("REJECT", 554), ("down", 451), ("", 451)]
)
def test_policy_service(answer: str, code: int) -> None:
    policy = Policy.of({**BASE, RECIPIENT: "check_policy_service unix:p"}, tables={"unix:p": answer})
    assert simulate(policy, SESSION).stages[-1].code == code


@pytest.mark.parametrize(
    ("params", "fatal", "crash"),
    [
        ({RELAY: "permit_mynetworks"}, True, False),
        ({"smtpd_restriction_classes": "a", "a": "a", RECIPIENT: "a"}, False, True),
        ({"smtpd_restriction_classes": "a", "a": "permit_mynetworks, a", "smtpd_helo_restrictions": "a"}, False, True),
        ({"smtpd_restriction_classes": "a"}, True, False),
        ({CLIENT: "check_policy_service private/x"}, True, False),
    ],
)
def test_fatal_and_crash(params: dict[str, str], fatal: bool, crash: bool) -> None:
    verdict = simulate(Policy.of({**BASE, **params}), SESSION)
    assert (verdict.fatal, verdict.crash) == (fatal, crash)
    assert verdict.reason


def test_unknown_service() -> None:
    with pytest.raises(PolicyError, match="smtp/inet"):
        simulate(Policy.of(BASE), replace(SESSION, service="nowhere/inet"))


@pytest.mark.parametrize(("version", "code"), [("3.7", 250), ("3.10", 451)])
def test_removed_words(version: str, code: int) -> None:
    assert last({RELAY: "check_relay_domains"}, version=version).code == code


@pytest.mark.parametrize(
    ("tls", "code"),
    [(None, 250), (True, 250), (False, 530)],
)
def test_encryption_that_the_service_demands(tls: bool | None, code: int) -> None:
    assert last({"smtpd_tls_security_level": "encrypt"}, replace(SESSION, tls=tls)).code == code


def test_closing_reply_ends_the_session() -> None:
    stages = simulate(
        Policy.of({**BASE, RECIPIENT: "inline:{ {user@example.org=421 bye} }"}), replace(SESSION, data=True)
    ).stages
    assert [stage.stage for stage in stages] == ["CONNECT", "HELO", "MAIL", "RCPT"]


def test_verdict_is_plain_data() -> None:
    verdict = simulate(Policy.of(BASE), SESSION).as_dict()
    assert verdict["stages"][-1]["trail"][0]["element"] == "permit_mynetworks"
    assert verdict["stages"][-1]["decided_by"] is None
