# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domains, services, postscreen, parameters and versions: what is found, and what must not be."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import (
    domains,
    parameters,
    postscreen,
    services,
    versions,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import example_policy

RULES = (*domains.RULES, *postscreen.RULES, *services.RULES, *parameters.RULES, *versions.RULES)
BASE = "compatibility_level = 3.6\n"
SMTP = "# master.cf\nsmtp inet n - y - - smtpd\n"
SUBMISSION = SMTP + "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
SCREEN = (
    "# master.cf\nsmtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\ndnsblog unix - - y - 0 dnsblog\n"
    "tlsproxy unix - - y - 0 tlsproxy\n"
)


def found(text: str) -> set[str]:
    policy = example_policy(BASE + text)
    return {finding.code for rule in RULES for finding in rule(policy)}


WRONG = [
    ("mydestination = example.org\nvirtual_alias_domains = example.org", "domain-in-two-classes"),
    ("virtual_mailbox_domains = example.org\nvirtual_mailbox_maps = inline:{a@example.org=a}\n"
     "relay_domains = example.org\nrelay_recipient_maps = inline:{a@example.org=a}", "domain-in-two-classes"),
    ("virtual_mailbox_domains = example.org\nvirtual_mailbox_maps =", "recipients-unchecked"),
    ("virtual_mailbox_domains = example.org", "recipient-list-missing"),
    ("mydestination = localhost, gmail.com", "foreign-domain-claimed"),
    ("smtpd_relay_restrictions = permit_tls_clientcerts, reject_unauth_destination", "certificates-not-asked-for"),
    ("soft_bounce = yes", "soft-bounce-left-on"),
    ("unknown_virtual_mailbox_reject_code = 450", "unknown-user-deferred"),
    ("access_map_reject_code = 200", "bad-reject-code"),
    ("smtpd_helo_required = on", "bad-parameter-value"),
    ("smtpd_recipient_limit = many", "bad-parameter-value"),
    ("smptd_helo_required = yes", "unknown-parameter"),
    ("smtpd_client_restrictions = permit_mynetworks, $my_checks", "undefined-macro"),
    ("smtpd_use_tls = yes", "deprecated-parameter"),
    ("# Postfix 3.7\nsmtpd_relay_restrictions = check_relay_domains", "restriction-removed-by-upgrade"),
    ("smtpd_relay_restrictions = check_relay_domains", "removed-restriction"),
    ("# Postfix 3.7\nsmtpd_hide_client_session = yes", "parameter-too-new"),
    ("# Postfix 3.5\npostscreen_denylist_action = drop", "parameter-too-new"),
    ("# Postfix 3.11\nalias_maps = hash:/etc/aliases", "berkeley-db-table"),
    (SMTP + "smtps inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes", "submissions-without-wrappermode"),
    (SMTP + "587 inet n - y - - smtpd", "submission-without-auth"),
    (SUBMISSION, "password-in-clear"),
    (SUBMISSION + "  -o smtpd_tls_wrappermode=yes", "wrappermode-on-plain-port"),
    (SUBMISSION + "  -o smtpd_relay_restrictions=permit_sasl_authenticated, reject", "master-stray-argument"),
    (SUBMISSION + "  -o smtp_helo_name=x", "override-not-read"),
    (SMTP + "smtp inet n - y - - smtpd", "duplicate-service"),
    ("smtpd_sasl_type = dovecot\nsmtpd_sasl_auth_enable = yes", "sasl-socket-missing"),
    ("smtpd_sasl_auth_enable = yes\nsmtpd_sasl_security_options = noplaintext", "sasl-anonymous"),
    ("smtpd_sasl_auth_enable = yes", "auth-on-port-25"),
    ("smtpd_sasl_type = dovecot\nsmtpd_sasl_path = /var/spool/postfix/private/auth\n" + SUBMISSION, "chroot-socket"),
    ("smtpd_milters = unix:/run/opendkim/opendkim.sock\n" + SMTP, "chroot-socket"),
    ("smtpd_authorized_xclient_hosts = static:all", "xclient-open"),
    ("postscreen_access_list = permit_mynetworks, reject_rbl_client"
    " zen.spamhaus.org\n" + SCREEN, "postscreen-unknown-word"),
    ("postscreen_access_list = permit_mynetworks, hash:/a\n# /a\nmail.example.com"
    " permit\n" + SCREEN.replace("# master.cf\n", "# master.cf\n"), "postscreen-key-never-matches"),
    ("postscreen_access_list = cidr:/a\n# /a\n192.0.2.0/24 OK\n" + SCREEN, "postscreen-table-result"),
    ("postscreen_dnsbl_sites = bl.example.net*x\n" + SCREEN, "postscreen-dnsbl-syntax"),
    ("postscreen_dnsbl_sites = bl.example.net\n" + SCREEN, "postscreen-dnsbl-ignored"),
    ("postscreen_cache_map = proxymap:btree:/a\n" + SCREEN, "postscreen-cache-unusable"),
    ("postscreen_blacklist_action = drop\n" + SCREEN, "deprecated-parameter"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code"), WRONG)
def test_wrong(text: str, code: str) -> None:
    assert code in found(text)


RIGHT = [
    "",
    # Names of one's own, of classes, of transports, of tables and of the policy service's spawn(8).
    "strict = reject_unknown_client_hostname\nsmtpd_restriction_classes = strict\nsmtpd_client_restrictions = strict",
    "my_checks = reject_unknown_client_hostname\nsmtpd_client_restrictions = $my_checks",
    "lmtp_destination_recipient_limit = 1\nslow_destination_rate_delay = 1s\n" + SMTP + "slow unix - - y - - smtp",
    "policyd-spf_time_limit = 3600\n" + SMTP + "policyd-spf unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf",
    "virtual_alias_maps = mysql:aliases\naliases_hosts = 127.0.0.1\naliases_query = SELECT 1",
    # A catch-all address demands it (postconf(5) luser_relay).
    "mydestination = example.org\nlocal_recipient_maps =\nluser_relay = jane",
    "virtual_mailbox_domains = example.org\nsmtpd_recipient_restrictions = reject_unverified_recipient",
    "mydestination = $myhostname, localhost\nrelay_domains =",
    "address_verify_poll_count = ${stress?{1}:{3}}\nunverified_recipient_reject_code = 450",
    "smtpd_client_connection_count_limit = ${stress?1}${stress:50}",
    SUBMISSION + "  -o smtpd_tls_security_level=encrypt\n  -o smtpd_client_restrictions=\n  -o"
    " milter_macro_daemon_name=ORIGINATING",
    SMTP + "submissions inet n - y - - smtpd\n  -o smtpd_tls_wrappermode=yes\n  -o smtpd_sasl_auth_enable=yes",
    SMTP + "127.0.0.1:10025 inet n - n - - smtpd\n  -o smtpd_delay_reject=no\n  -o"
    " smtpd_client_restrictions=permit_mynetworks,reject\n"
    "  -o receive_override_options=no_unknown_recipient_checks\n  -o local_recipient_maps=",
    "smtpd_sasl_type = dovecot\nsmtpd_sasl_path ="
    " private/auth\n" + SUBMISSION + "  -o smtpd_tls_security_level=encrypt",
    "smtpd_milters = unix:opendkim/opendkim.sock, inet:127.0.0.1:11332\n" + SMTP,
    "postscreen_access_list = permit_mynetworks, cidr:/a\npostscreen_denylist_action = drop\npostscreen_greet_action"
    " = enforce\n"
    "postscreen_dnsbl_sites = bl.example.net=127.0.0.2*2, wl.example.net*-2\npostscreen_dnsbl_threshold = 2\n"
    "postscreen_dnsbl_action = enforce\npostscreen_dnsbl_allowlist_threshold = -1\n"
    "postscreen_cache_map = proxy:lmdb:$data_directory/postscreen\n# /a\n192.0.2.0/24 reject\n" + SCREEN,
    "# Postfix 3.11\nalias_maps = lmdb:/etc/aliases",
    "smtpd_tls_security_level = may\ndisable_vrfy_command = yes\nsmtpd_recipient_limit = 1000",
]


@pytest.mark.parametrize("text", RIGHT)
def test_right(text: str) -> None:
    assert found(text) == set()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("smtpd_recipient_restriction", "smtpd_recipient_restrictions"),
        ("smptd_helo_required", "smtpd_helo_required"),
        ("smtpd-helo-required", "smtpd_helo_required"),
        ("SMTPD_HELO_REQUIRED", "smtpd_helo_required"),
        ("helo_required", "smtpd_helo_required"),
        ("nothing_like_it_at_all", ""),
    ],
)
def test_did_you_mean(name: str, meant: str) -> None:
    assert parameters.did_you_mean(name) == meant
