# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policies that work have no finding that would stop a run: false alarms are as bad as misses."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import example_policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.linter import lint
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Severity

SERIOUS = {Severity.RELAY, Severity.LOST, Severity.DEFERRED}

GOOD = {
    "Debian as installed": """
smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
append_dot_mydomain = no
readme_directory = no
compatibility_level = 3.6
smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key
smtpd_tls_security_level=may
smtp_tls_CApath=/etc/ssl/certs
smtp_tls_security_level=may
smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
myhostname = mail.example.org
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
myorigin = /etc/mailname
mydestination = $myhostname, example.org, localhost.example.org, localhost
relayhost =
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = all
inet_protocols = all
""",
    "nothing but the level": "compatibility_level = 3.6\n",
    "null client": """
compatibility_level = 3.6
myhostname = host.example.org
myorigin = $mydomain
relayhost = $mydomain
inet_interfaces = loopback-only
mydestination =
""",
    "gateway with submission": """
compatibility_level = 3.6
myhostname = mx.example.org
mydestination =
virtual_mailbox_domains = example.org
virtual_mailbox_maps = lmdb:/etc/postfix/mailboxes
virtual_transport = lmtp:unix:private/dovecot-lmtp
smtpd_helo_required = yes
smtpd_client_restrictions = permit_mynetworks, reject_unknown_reverse_client_hostname
smtpd_helo_restrictions = permit_mynetworks, reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname
smtpd_sender_restrictions = permit_mynetworks, reject_non_fqdn_sender, reject_unknown_sender_domain
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_non_fqdn_recipient,
    check_policy_service { unix:private/policyd-spf, default_action=DUNNO }
smtpd_data_restrictions = reject_unauth_pipelining
smtpd_etrn_restrictions = permit_mynetworks, reject
# master.cf
smtp      inet  n       -       y       -       -       smtpd
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot
  -o smtpd_sasl_path=private/auth
  -o smtpd_tls_auth_only=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_helo_restrictions=
  -o smtpd_sender_restrictions=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=
submissions inet n      -       y       -       -       smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot
  -o smtpd_sasl_path=private/auth
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_helo_restrictions=
  -o smtpd_sender_restrictions=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=
""",
    "SASL on port 25 (SASL_README)": """
compatibility_level = 3.6
myhostname = mail.example.org
mydestination = $myhostname, example.org, localhost
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = /etc/ssl/mail.pem
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_sender_login_maps = lmdb:/etc/postfix/controlled_envelope_senders
smtpd_recipient_restrictions = permit_mynetworks, reject_sender_login_mismatch, permit_sasl_authenticated,
    reject_unauth_destination
""",
    "one protected list (RESTRICTION_CLASS_README)": """
compatibility_level = 3.6
mydestination = example.org
smtpd_restriction_classes = insiders_only
insiders_only = check_sender_access lmdb:/etc/postfix/insiders, reject
smtpd_recipient_restrictions = check_recipient_access lmdb:/etc/postfix/protected_destinations,
    permit_mynetworks, reject_unauth_destination
# /etc/postfix/insiders
example.org OK
# /etc/postfix/protected_destinations
all@example.org insiders_only
""",
    "access tables of every kind": r"""
compatibility_level = 3.6
mydestination = example.org
smtpd_helo_required = yes
smtpd_client_restrictions = permit_mynetworks, check_client_access cidr:/etc/postfix/clients.cidr,
    check_reverse_client_hostname_access pcre:/etc/postfix/dynamic.pcre
smtpd_helo_restrictions = permit_mynetworks, check_helo_access lmdb:/etc/postfix/helo
smtpd_sender_restrictions = permit_mynetworks, check_sender_access lmdb:/etc/postfix/senders,
    check_sender_mx_access cidr:/etc/postfix/bogus_mx
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,
    check_recipient_access inline:{ {postmaster@example.org = OK} }, check_client_access lmdb:/etc/postfix/clients
# /etc/postfix/clients.cidr
# neighbours
192.0.2.7 OK
192.0.2.0/24 REJECT
2001:db8::/32 REJECT 5.7.1 Not from here
if 198.51.100.0/24
198.51.100.1 DUNNO
endif
# /etc/postfix/dynamic.pcre
/^(dyn|dsl)-[0-9-]+\.example\.net$/ REJECT Use your provider's server
# /etc/postfix/helo
example.org REJECT You are not me
localhost REJECT
[127.0.0.1] REJECT
# /etc/postfix/senders
example.com 550 5.7.1 Go away
newsletter@example.net DISCARD
<> DUNNO
top REJECT
# /etc/postfix/bogus_mx
127.0.0.0/8 550 5.7.1 Mail server on loopback
0.0.0.0/8 REJECT
# /etc/postfix/clients
192.0.2.7 OK
198.51.100 DEFER_IF_PERMIT
2001:db8:1 450 4.7.1 Later
client.example.com OK
""",
    "DNS lists": """
compatibility_level = 3.6
mydestination = example.org
smtpd_sasl_auth_enable = no
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination,
    permit_dnswl_client list.dnswl.org=127.0.[0..255].[1..3],
    reject_rbl_client zen.spamhaus.org=127.0.0.[2..11], reject_rhsbl_sender dbl.spamhaus.org=127.0.1.[2..99]
""",
    "postscreen": """
compatibility_level = 3.6
mydestination = example.org
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
postscreen_access_list = permit_mynetworks, cidr:/etc/postfix/postscreen_access.cidr
postscreen_denylist_action = drop
postscreen_dnsbl_sites = zen.spamhaus.org=127.0.0.[2..11]*3
postscreen_dnsbl_threshold = 3
postscreen_dnsbl_action = enforce
postscreen_greet_action = enforce
# /etc/postfix/postscreen_access.cidr
192.0.2.0/24 permit
# master.cf
smtp      inet  n       -       y       -       1       postscreen
smtpd     pass  -       -       y       -       -       smtpd
dnsblog   unix  -       -       y       -       0       dnsblog
tlsproxy  unix  -       -       y       -       0       tlsproxy
""",
    "backup MX": """
compatibility_level = 3.6
mydestination = $myhostname, localhost
relay_domains = example.org
relay_recipient_maps = lmdb:/etc/postfix/relay_recipients
parent_domain_matches_subdomains = debug_peer_list smtpd_access_maps
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
""",
    "users in MySQL": """
compatibility_level=3.6
myhostname=mail.example.org
mydestination=localhost
smtpd_sasl_type=dovecot
smtpd_sasl_path=private/auth
smtpd_sasl_auth_enable=yes
smtpd_tls_security_level=may
smtpd_tls_auth_only=yes
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
virtual_mailbox_domains=mysql:/etc/postfix/mysql-virtual-mailbox-domains.cf
virtual_mailbox_maps=mysql:/etc/postfix/mysql-virtual-mailbox-maps.cf
virtual_alias_maps=mysql:/etc/postfix/mysql-virtual-alias-maps.cf
smtpd_sender_login_maps=mysql:/etc/postfix/mysql-email2email.cf
# master.cf
smtp inet n - y - - smtpd
submission inet n - y - - smtpd
 -o syslog_name=postfix/submission
 -o smtpd_tls_security_level=encrypt
 -o smtpd_sasl_auth_enable=yes
 -o smtpd_sasl_type=dovecot
 -o smtpd_sasl_path=private/auth
 -o smtpd_sasl_security_options=noanonymous
 -o smtpd_sender_login_maps=mysql:/etc/postfix/mysql-email2email.cf
 -o smtpd_sender_restrictions=reject_sender_login_mismatch
 -o smtpd_sasl_local_domain=$myhostname
 -o smtpd_client_restrictions=permit_sasl_authenticated,reject
 -o smtpd_recipient_restrictions=reject_non_fqdn_recipient,permit_sasl_authenticated,reject
""",
    "submission as Debian suggests it": """
compatibility_level=3.6
mydestination=example.org
# master.cf
smtp inet n - y - - smtpd
submission inet n - y - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_auth_only=yes
  -o smtpd_reject_unlisted_recipient=no
  -o smtpd_client_restrictions=$mua_client_restrictions
  -o smtpd_helo_restrictions=$mua_helo_restrictions
  -o smtpd_sender_restrictions=$mua_sender_restrictions
  -o smtpd_recipient_restrictions=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=ORIGINATING
""",
    "users in SQLite": """
compatibility_level=3.6
mydestination=localhost
virtual_mailbox_domains=sqlite:/etc/postfix/v.cf
virtual_mailbox_maps=sqlite:/etc/postfix/vm.cf
virtual_alias_maps=sqlite:/etc/postfix/va.cf
smtpd_sasl_type=dovecot
smtpd_sasl_path=private/auth
smtpd_sasl_auth_enable=no
smtpd_sender_login_maps=sqlite:/etc/postfix/sender-login-maps.cf
smtpd_tls_auth_only=yes
smtpd_tls_security_level=may
smtpd_sender_restrictions=reject_non_fqdn_sender,reject_unknown_sender_domain,
    reject_authenticated_sender_login_mismatch,reject_rhsbl_sender dbl.spamhaus.org=127.0.1.[2..99]
smtpd_recipient_restrictions=permit_sasl_authenticated,permit_mynetworks,
    reject_rbl_client zen.spamhaus.org=127.0.0.[2..11],reject_unlisted_recipient,
    check_policy_service inet:127.0.0.1:10023
smtpd_relay_restrictions=permit_mynetworks permit_sasl_authenticated defer_unauth_destination
# master.cf
smtp inet n - y - - smtpd
submission inet n - y - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o cleanup_service_name=authclean
authclean unix n - - - 0 cleanup
""",
    "lists by reference": """
compatibility_level=3.6
mydestination=localhost.$mydomain, localhost
virtual_mailbox_domains=/etc/postfix/vhost
virtual_mailbox_maps=texthash:/etc/postfix/vmailbox
virtual_alias_maps=texthash:/etc/postfix/virtual
smtpd_sasl_auth_enable=yes
smtpd_sasl_type=dovecot
smtpd_sasl_path=/dev/shm/sasl-auth.sock
smtpd_tls_auth_only=yes
smtpd_tls_security_level=may
smtpd_helo_required=yes
smtpd_delay_reject=yes
smtpd_sender_login_maps=texthash:/etc/postfix/virtual
dms_smtpd_sender_restrictions = permit_sasl_authenticated, permit_mynetworks, reject_unknown_sender_domain
mua_sender_restrictions = reject_authenticated_sender_login_mismatch, $dms_smtpd_sender_restrictions
smtpd_helo_restrictions = permit_mynetworks, reject_invalid_helo_hostname, permit
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
smtpd_recipient_restrictions = permit_sasl_authenticated, permit_mynetworks, reject_unauth_destination,
    check_policy_service unix:private/policyd-spf, reject_unauth_pipelining, reject_invalid_helo_hostname,
    reject_non_fqdn_helo_hostname, reject_unknown_recipient_domain
smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_pipelining
smtpd_sender_restrictions = $dms_smtpd_sender_restrictions
smtpd_discard_ehlo_keywords = chunking, silent-discard
""",
    "lists with proxied tables": """
compatibility_level=3.6
mydestination=localhost.localdomain, localhost
smtpd_helo_required=yes
smtpd_sasl_auth_enable=yes
smtpd_sasl_type=dovecot
smtpd_sasl_path=inet:dovecot:10001
smtpd_tls_auth_only=yes
smtpd_tls_security_level=may
smtpd_data_restrictions = reject_unauth_pipelining, permit
smtpd_delay_reject = yes
smtpd_error_sleep_time = 10s
smtpd_recipient_restrictions = check_recipient_mx_access proxy:mysql:/opt/r.cf, permit_sasl_authenticated,
    permit_mynetworks, check_recipient_access proxy:mysql:/opt/postfix/conf/sql/mysql_tls_enforce_in_policy.cf,
    reject_invalid_helo_hostname, reject_unauth_destination
smtpd_sender_login_maps = proxy:mysql:/opt/postfix/conf/sql/mysql_virtual_sender_acl.cf
smtpd_sender_restrictions = check_sasl_access pcre:/opt/a, reject_authenticated_sender_login_mismatch,
    permit_mynetworks, permit_sasl_authenticated, reject_unlisted_sender, reject_unknown_sender_domain
virtual_mailbox_domains = proxy:mysql:/x
virtual_mailbox_maps = proxy:mysql:/y
virtual_alias_maps = proxy:mysql:/z
""",
    "content filter": """
compatibility_level=3.6
mydestination=example.org
content_filter=smtp-amavis:[127.0.0.1]:10024
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
# master.cf
smtp inet n - y - - smtpd
127.0.0.1:10025 inet n - y - - smtpd
 -o content_filter=
 -o smtpd_client_restrictions=permit_mynetworks,reject
 -o smtpd_helo_restrictions=
 -o smtpd_sender_restrictions=
 -o smtpd_relay_restrictions=
 -o smtpd_recipient_restrictions=permit_mynetworks,reject
 -o mynetworks=127.0.0.0/8
 -o smtpd_restriction_classes=
""",
    "warnings while testing": """
compatibility_level = 3.6
mydestination = example.org
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,
    warn_if_reject reject_unknown_client_hostname, warn_if_reject reject_unknown_helo_hostname, permit
""",
}


ROOT = Path(__file__).resolve().parents[6]


def role_policy() -> str:
    """The postfix role's own lists, as it writes them."""
    text = (ROOT / "roles/postfix/defaults/main/restrictions.yml").read_text(encoding="utf-8")
    values = yaml.safe_load(text.replace("{{ __postfix_map_type }}", "lmdb").replace("$maps_directory", "/etc/postfix"))
    stages = ("client", "helo", "sender", "relay", "recipient", "data")
    # A variable of access rules stands for its tables, and without rules for nothing.
    lists = {
        service: {
            stage: ", ".join(
                word for word in values[f"postfix_{service}_{stage}_restrictions"] if not word.startswith("postfix_")
            )
            for stage in stages
        }
        for service in ("smtp", "submission")
    }
    main = [f"smtpd_{stage}_restrictions = {value}" for stage, value in lists["smtp"].items()]
    options = [f"  -o {{ smtpd_{stage}_restrictions = {value} }}" for stage, value in lists["submission"].items()]
    login = ["  -o smtpd_sasl_auth_enable=yes", "  -o smtpd_sasl_type=dovecot", "  -o smtpd_sasl_path=private/auth"]
    return "\n".join(
        [
            "compatibility_level = 3.6",
            "myhostname = mx.example.org",
            "mydestination = localhost",
            "virtual_mailbox_domains = example.org",
            "virtual_mailbox_maps = lmdb:/etc/postfix/mailboxes",
            "smtpd_helo_required = yes",
            "smtpd_etrn_restrictions = reject",
            *main,
            "# master.cf",
            "smtp inet n - y - - smtpd",
            *("submission inet n - y - - smtpd", "  -o smtpd_tls_security_level=encrypt", *login, *options),
            "  -o smtpd_sender_login_maps=lmdb:/etc/postfix/logins",
            *("submissions inet n - y - - smtpd", "  -o smtpd_tls_wrappermode=yes", *login, *options),
            "  -o smtpd_sender_login_maps=lmdb:/etc/postfix/logins",
        ]
    )


def test_the_role_s_own_lists_are_spotless() -> None:
    assert [(each.code, each.parameter, each.element) for each in lint(example_policy(role_policy()))] == []


@pytest.mark.parametrize("version", ["3.7", "3.10", "3.11"])
@pytest.mark.parametrize("text", GOOD.values(), ids=list(GOOD))
def test_no_alarm(text: str, version: str) -> None:
    findings = lint(example_policy(text, version))
    assert [(each.code, each.element, each.message) for each in findings if each.severity in SERIOUS] == []
