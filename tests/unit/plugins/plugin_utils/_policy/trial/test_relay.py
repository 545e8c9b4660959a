# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strangers who relay are found, and none is found where nobody can."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import example_policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.relay import check
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Session
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.engine import simulate
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial.relay import is_open, witnesses

MAIN = (
    "compatibility_level = 3.6\nmydestination = example.org\nmynetworks = 127.0.0.0/8\nlocal_recipient_maps ="
    " inline:{jane=1}\n"
)
GUARD = "permit_mynetworks, reject_unauth_destination"
RELAY = "smtpd_relay_restrictions = "
NO_RELAY = "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = "

# main.cf -> code of the finding, and what the message tells of the stranger
OPEN = [
    (f"{NO_RELAY}reject_rbl_client reject_unauth_destination", "open-relay", "Any stranger may"),
    (f"{RELAY}check_client_access static:OK, {GUARD}", "open-relay", "Any stranger may"),
    (f"{RELAY}check_helo_access inline:{{a.example=OK}}, {GUARD}", "relay-by-helo", "HELO a.example"),
    (f"{RELAY}check_helo_access inline:{{a.example=554}}, {GUARD}", "relay-by-helo", "HELO a.example"),
    (f"{RELAY}check_sender_access inline:{{a.example=OK}}, {GUARD}", "relay-by-sender", "sender someone@a.example"),
    (f"{RELAY}check_sender_access inline:{{jane@=OK}}, {GUARD}", "relay-by-sender", "sender jane@"),
    (f"{RELAY}check_sender_access inline:{{<>=OK}}, {GUARD}", "relay-by-sender", "sender <>"),
    (f"{RELAY}check_sender_access pcre:{{{{/@a[.]example$$/ OK}}}}, {GUARD}", "relay-by-sender", "@a.example"),
    (f"{RELAY}check_client_access inline:{{192.0.2.9=OK}}, {GUARD}", "relay-by-client", "at 192.0.2.9"),
    (f"{RELAY}check_client_access inline:{{192.0.2=OK}}, {GUARD}", "relay-by-client", "at 192.0.2.77"),
    (f"{RELAY}check_client_access inline:{{a.example=OK}}, {GUARD}", "relay-by-client", "host name is a.example"),
    (f"{RELAY}check_client_access cidr:{{{{192.0.2.0/24 OK}}}}, {GUARD}", "relay-by-client", "at 192.0.2.77"),
    (f"{RELAY}check_client_access regexp:{{{{/client[.]a/ OK}}}}, {GUARD}", "relay-by-client", "host name is client.a"),
    (f"{RELAY}check_recipient_access inline:{{a.example=OK}}, {GUARD}", "relay-by-recipient", "to someone@a.example"),
    (f"{RELAY}check_policy_service unix:private/p, {GUARD}", "relay-by-policy-service", "unix:private/p answers OK"),
    (f"{RELAY}{GUARD}\nrelay_domains = static:all", "relay-to-everywhere", "Any stranger may"),
    (f"{RELAY}{GUARD}\nrelay_domains = com", "relay-to-everywhere", "elsewhere.com"),
    (f"{RELAY}{GUARD}\nmynetworks = 127.0.0.0/8 static:all", "relay-by-networks", "Any stranger may"),
    (
        f"{NO_RELAY}reject_unknown_sender_domain, check_sender_access inline:{{a.example=OK}},"
        f" reject_unauth_destination",
        "relay-by-sender",
        "whose own DNS is in order",
    ),
    (
        "smtpd_restriction_classes = known\nknown = check_client_access inline:{c.example=permit}\n"
        "smtpd_sender_restrictions = check_sender_access inline:{b.example=OK}, reject\n"
        f"{NO_RELAY}check_helo_access inline:{{a.example=known}}, reject_unauth_destination",
        "relay-by-helo",
        "host name is c.example",
    ),
    (
        f"{RELAY}check_client_access hash:/etc/postfix/clients, {GUARD}\n# /etc/postfix/clients\n192.0.2.9 OK\n",
        "relay-by-client",
        "at 192.0.2.9",
    ),
    (
        f"{RELAY}{GUARD}\n# master.cf\nsmtp inet n - y - - smtpd\n2525 inet n - y - - smtpd\n"
        "  -o smtpd_relay_restrictions=check_helo_access,inline:{a.example=OK},reject_unauth_destination",
        "relay-by-helo",
        "HELO a.example",
    ),
]

CLOSED = [
    f"{RELAY}{GUARD}",
    f"{RELAY}permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
    f"{NO_RELAY}{GUARD}",
    f"{RELAY}permit_mynetworks, permit_sasl_authenticated, reject",
    # OK in the recipient list only skips what comes after it there.
    f"{RELAY}{GUARD}\nsmtpd_recipient_restrictions = check_sender_access inline:{{a.example=OK}},"
    f" reject_unknown_sender_domain",
    f"{RELAY}{GUARD}\nsmtpd_client_restrictions = check_client_access static:OK, reject",
    f"{RELAY}{GUARD}\nsmtpd_helo_restrictions = check_helo_access inline:{{a.example=OK}}",
    f"{RELAY}{GUARD}\nsmtpd_recipient_restrictions = check_policy_service unix:private/p",
    f"{RELAY}permit_mynetworks, permit_dnswl_client list.example.net, reject_unauth_destination",
    f"{RELAY}check_client_access inline:{{192.0.2.9=DUNNO, a.example=REJECT}}, {GUARD}",
    f"{RELAY}check_client_access inline:{{127.0.0.2=OK}}, {GUARD}",
    f"{RELAY}{GUARD}, check_helo_access inline:{{a.example=OK}}",
    # A listener that only this machine reaches.
    f"{RELAY}{GUARD}\n# master.cf\nsmtp inet n - y - - smtpd\n127.0.0.1:10025 inet n - y - - smtpd\n"
    "  -o smtpd_relay_restrictions=check_client_access,static:OK,reject",
    # smtpd does not start.
    f"{NO_RELAY}permit, reject_unauth_destination",
]


@pytest.mark.parametrize(("main", "code", "told"), OPEN)
def test_open(main: str, code: str, told: str) -> None:
    found = list(check(example_policy(MAIN + main)))
    assert [finding.code for finding in found] == [code]
    assert told in found[0].message


@pytest.mark.parametrize(("main", "_code", "_told"), OPEN)
def test_witness_is_accepted(main: str, _code: str, _told: str) -> None:
    policy = example_policy(MAIN + main)
    for service in policy.smtpd_services():
        for witness in witnesses(policy, service.key):
            verdict = simulate(policy, witness.session, witness.dns, "empty", witness.answers)
            assert [stage.code for stage in verdict.stages if stage.stage == "RCPT"] == [250]


def test_session_of_a_finding_can_be_played() -> None:
    finding = next(check(example_policy(MAIN + OPEN[2][0])))
    assert finding.session is not None
    session = Session(**{**finding.session, "rcpts": tuple(finding.session["rcpts"])})
    assert session.helo == "a.example"
    assert session.login == ""


@pytest.mark.parametrize("main", CLOSED)
def test_closed(main: str) -> None:
    policy = example_policy(MAIN + main)
    assert list(check(policy)) == []
    assert not is_open(policy)


def test_backup_mx() -> None:
    policy = example_policy(f"{MAIN}{RELAY}permit_mynetworks, permit_mx_backup, reject_unauth_destination")
    assert [witness.opening.element for witness in witnesses(policy, "smtp/inet")] == ["permit_mx_backup"]


def test_unknown_table_is_mentioned() -> None:
    policy = example_policy(f"{MAIN}{RELAY}check_client_access hash:/etc/postfix/clients, {GUARD}")
    assert [(finding.code, finding.index) for finding in check(policy)] == [("relay-if-table-says-ok", 0)]
