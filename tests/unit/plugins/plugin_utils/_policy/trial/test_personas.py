# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cast on a well-made server, and on servers that lock somebody out."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import personas as rules
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import example_policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.linter import lint
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial import people
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial.personas import CAST, Row, matrix

MAIN = """compatibility_level = 3.6
myhostname = mail.example.org
mydestination = localhost
virtual_mailbox_domains = example.org
virtual_mailbox_maps = inline:{jane@example.org=jane/, joe@example.org=joe/, postmaster@example.org=jane/}
smtpd_sender_login_maps = inline:{jane@example.org=jane, j@example.org=jane, joe@example.org=joe}
mynetworks = 127.0.0.0/8 [::1]/128
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_tls_security_level = may
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
"""
MASTER = """# master.cf
smtp inet n - n - - smtpd
submission inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_sender_restrictions=reject_authenticated_sender_login_mismatch
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
"""
INBOUND = "smtpd_recipient_restrictions = permit_mynetworks, reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]\n"


def rows(text: str) -> dict[tuple[str, str], Row]:
    return {(row.persona.name, row.service): row for row in matrix(example_policy(text))}


def test_whole_cast_is_tried() -> None:
    assert {name for name, _service in rows(MAIN + INBOUND + MASTER)} == {persona.name for persona in CAST}


def test_names_are_unique() -> None:
    assert len({persona.name for persona in CAST}) == len(CAST)


WELL_MADE = [
    ("stranger-relaying", "smtp/inet", "refuse"),
    ("ordinary-mail", "smtp/inet", "accept"),
    ("unknown-user", "smtp/inet", "refuse"),
    ("bounce", "smtp/inet", "accept"),
    ("postmaster", "smtp/inet", "accept"),
    ("listed-host", "smtp/inet", "refuse"),
    ("own-host", "smtp/inet", "accept"),
    ("roaming-user-without-login", "smtp/inet", "refuse"),
    ("roaming-user", "submission/inet", "accept"),
    ("roaming-user-listed", "submission/inet", "accept"),
    ("user-with-alias", "submission/inet", "accept"),
    ("forging-user", "submission/inet", "refuse"),
    ("ordinary-mail", "submission/inet", "refuse"),
    ("stranger-relaying", "submission/inet", "refuse"),
    ("roaming-user-without-login", "submission/inet", "refuse"),
]


@pytest.mark.parametrize(("name", "service", "outcome"), WELL_MADE)
def test_well_made_server(name: str, service: str, outcome: str) -> None:
    master = MASTER + "  -o smtpd_recipient_restrictions=\n"
    row = rows(MAIN + INBOUND + master)[name, service]
    assert (row.outcome, row.wanted) == (outcome, True)


def test_nothing_grave_about_it() -> None:
    found = lint(example_policy(MAIN + INBOUND + MASTER + "  -o smtpd_recipient_restrictions=\n"))
    assert [finding.code for finding in found if finding.severity.rank < Severity.STYLE.rank] == []


LOCKED = [
    # main.cf, master.cf -> code, parameter, index
    ("smtpd_helo_restrictions = reject_non_fqdn_helo_hostname\n", "", "users-locked-out", "smtpd_helo_restrictions", 0),
    (
        "smtpd_sender_restrictions = check_sender_access static:REJECT\n",
        "",
        "inbound-mail-refused",
        "smtpd_sender_restrictions",
        0,
    ),
    ("", "2525 inet n - n - - smtpd\n  -o smtpd_tls_security_level=perhaps\n", "smtpd-does-not-start", "", None),
    (
        "",
        "587 inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n",
        "submission-open-to-strangers",
        "smtpd_recipient_restrictions",
        None,
    ),
]


@pytest.mark.parametrize(("main", "master", "code", "parameter", "index"), LOCKED)
def test_rules(main: str, master: str, code: str, parameter: str, index: int | None) -> None:
    found = rules.check(example_policy(MAIN + main + MASTER + master))
    assert (code, parameter, index) in {(finding.code, finding.parameter, finding.index) for finding in found}


def test_users_come_from_the_tables() -> None:
    someone = people.of(example_policy(MAIN + MASTER), "submission/inet")
    assert (someone.user, someone.login, someone.alias) == ("jane@example.org", "jane", "j@example.org")
    assert someone.colleague == "joe@example.org"


def test_users_are_made_up_where_tables_are_unknown() -> None:
    main = MAIN.replace(
        "inline:{jane@example.org=jane/, joe@example.org=joe/, postmaster@example.org=jane/}", "mysql:/etc/x.cf"
    )
    assert rows(main + MASTER)["ordinary-mail", "smtp/inet"].outcome == "accept"
    assert rows(main + MASTER)["unknown-user", "smtp/inet"].outcome == "refuse"


@pytest.mark.parametrize(("mailboxes", "outcome"), [("", "accept"), ("jane@example.org jane/\n", "refuse")])
def test_a_server_without_users_locks_nobody_out(mailboxes: str, outcome: str) -> None:
    """But one does that has mailboxes, and whose owners it does not know."""
    kept = [line for line in MAIN.splitlines(True) if not line.startswith(("virtual_mailbox_maps", "smtpd_sender_"))]
    tables = "virtual_mailbox_maps = texthash:/boxes\nsmtpd_sender_login_maps = texthash:/owners\n"
    files = f"# /boxes\n{mailboxes}# /owners\nother@example.net other\n"
    assert rows("".join(kept) + tables + MASTER + files)["roaming-user", "submission/inet"].outcome == outcome


def test_server_without_domains() -> None:
    found = rows("compatibility_level = 3.6\nmydestination =\nsmtpd_relay_restrictions = permit_mynetworks, reject\n")
    assert ("stranger-relaying", "smtp/inet") in found
    assert ("ordinary-mail", "smtp/inet") not in found


def test_an_entry_for_one_recipient_is_no_mistake() -> None:
    policy = Policy.of(
        {
            "compatibility_level": "3.6",
            "mydestination": "",
            "virtual_mailbox_domains": "example.org",
            "virtual_mailbox_maps": "inline:{jane@example.org=jane/}",
            "smtpd_recipient_restrictions": "check_recipient_access inline:{jane@example.org=REJECT}",
        }
    )
    assert "inbound-mail-refused" not in {finding.code for finding in lint(policy)}
