# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configurations as they are copied from forums, with several mistakes each: every one of them is found."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import example_policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.linter import lint

USERS = "smtpd_sasl_auth_enable = yes\n"
BASE = "compatibility_level = 3.6\nmydestination = example.org\n"
SUBMISSION = """
# master.cf
smtp inet n - y - - smtpd
submission inet n - y - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_security_level=encrypt
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
"""

# name -> (text, {(code, part of the element or of the message)})
BROKEN: dict[str, tuple[str, set[tuple[str, str]]]] = {
    "forum list with comments": (
        BASE + "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, # no spam please\n"
        "    reject_unknown_sender, reject_rbl_client",
        {("comment-in-list", "#")},
    ),
    "misspelt and invented": (
        BASE + "smtpd_client_restrictions = permit_mynetwork, reject_unknown_client_hostnames\n"
        "smtpd_helo_restrictions = reject_non_fqdn_helo, reject_invalid_helo_hostnam\n"
        "smtpd_sender_restrictions = reject_unknown_sender, reject_unknown_forward_client_hostname",
        {
            ("unknown-restriction", "permit_mynetwork"),
            ("unknown-restriction", "reject_unknown_client_hostnames"),
            ("unknown-restriction", "reject_non_fqdn_helo"),
            ("unknown-restriction", "reject_invalid_helo_hostnam"),
            ("unknown-restriction", "reject_unknown_sender"),
            ("unknown-restriction", "reject_unknown_forward_client_hostname"),
        },
    ),
    "YAML list as text": (
        BASE + 'smtpd_recipient_restrictions = ["permit_mynetworks", "reject_unauth_destination"]',
        {("foreign-syntax", '["permit_mynetworks"'), ("foreign-syntax", '"reject_unauth_destination"]')},
    ),
    "Python list as text": (
        BASE + "smtpd_relay_restrictions = ['permit_mynetworks', 'reject_unauth_destination']",
        {("foreign-syntax", "['permit_mynetworks'"), ("no-relay-guard", "")},
    ),
    "YAML dashes": (
        BASE + "smtpd_relay_restrictions = - permit_mynetworks - reject_unauth_destination",
        {("foreign-syntax", "-")},
    ),
    "semicolons": (
        BASE + "smtpd_recipient_restrictions = permit_mynetworks; reject_unauth_destination; permit",
        {("foreign-syntax", "permit_mynetworks;"), ("foreign-syntax", "reject_unauth_destination;")},
    ),
    "negation": (
        BASE + "smtpd_sender_restrictions = !permit_mynetworks, reject_unknown_sender_domain",
        {("negated-restriction", "!permit_mynetworks")},
    ),
    "typographic quotes": (
        BASE + "smtpd_sender_restrictions = \u201creject_unknown_sender_domain\u201d",
        {("foreign-syntax", "\u201creject_unknown_sender_domain\u201d")},
    ),
    "stray colons": (
        BASE
        + "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination:, reject_rbl_client:bl.test",
        {("stray-colon", "reject_unauth_destination:"), ("stray-colon", "reject_rbl_client:bl.test")},
    ),
    "domain forgotten before the guard": (
        "compatibility_level = 3.6\nsmtpd_relay_restrictions =\n"
        "smtpd_recipient_restrictions = permit_mynetworks, reject_rbl_client reject_unauth_destination",
        {("swallowed-guard", "reject_rbl_client reject_unauth_destination"), ("empty-relay-list", "")},
    ),
    "domain forgotten before the permit": (
        BASE + USERS + "smtpd_client_restrictions = reject_rhsbl_client permit_sasl_authenticated,"
        " reject_unknown_client_hostname",
        {("swallowed-restriction", "reject_rhsbl_client permit_sasl_authenticated")},
    ),
    "domain forgotten at the end": (
        BASE + "smtpd_client_restrictions = permit_mynetworks, permit_dnswl_client",
        {("missing-dnsbl-domain", "permit_dnswl_client")},
    ),
    "tables without type": (
        BASE + "smtpd_client_restrictions = check_client_access /etc/postfix/access\n"
        "smtpd_sender_restrictions = check_sender_access, reject_unknown_sender_domain\n"
        "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, check_recipient_access",
        {
            ("table-without-type", "check_client_access"),
            ("missing-argument", "check_sender_access reject_unknown_sender_domain"),
            ("missing-argument", "check_recipient_access"),
        },
    ),
    "tables of strange types": (
        BASE + "smtpd_client_restrictions = check_client_access file:/etc/postfix/a, check_client_access regex:/etc/b,"
        " check_client_access ip:/etc/c, hash:access, check_client_access hash:/etc/postfix/access.db",
        {
            ("unknown-table-type", "file:"),
            ("unknown-table-type", "regex:"),
            ("unknown-table-type", "ip:"),
            ("relative-table-path", "hash:access"),
            ("table-with-suffix", "access.db"),
        },
    ),
    "policy services": (
        BASE + "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
        " check_policy_service private/policyd-spf, check_policy_service 127.0.0.1:10023,"
        " check_policy_service tcp:127.0.0.1:10023, check_policy_service inet:127.0.0.1:10023,"
        " check_policy_service { unix:private/p, default=DUNNO }, check_policy_service",
        {
            ("policy-service-address", "private/policyd-spf"),
            ("policy-service-address", "127.0.0.1:10023"),
            ("policy-service-address", "tcp:"),
            ("policy-service-without-default", "inet:"),
            ("policy-service-option", "default=DUNNO"),
            ("missing-argument", "check_policy_service"),
        },
    ),
    "no guard": (
        "compatibility_level = 3.6\nsmtpd_relay_restrictions =\n"
        "smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unknown_sender_domain",
        {("no-relay-guard", "")},
    ),
    "guard behind permit": (
        "compatibility_level = 3.6\nsmtpd_relay_restrictions = permit_mynetworks, permit, reject_unauth_destination\n",
        {("no-relay-guard", ""), ("unreachable-restriction", "reject_unauth_destination")},
    ),
    "guard in the client list only": (
        "compatibility_level = 3.6\nsmtpd_relay_restrictions =\n"
        "smtpd_client_restrictions = permit_mynetworks, reject_unauth_destination",
        {("guard-in-other-list", "reject_unauth_destination")},
    ),
    "guard that only warns": (
        "compatibility_level = 3.6\nsmtpd_relay_restrictions = permit_mynetworks, warn_if_reject"
        " reject_unauth_destination",
        {("warned-guard", "warn_if_reject reject_unauth_destination")},
    ),
    "guard that only warns, another word counts": (
        "compatibility_level = 3.6\nsmtpd_relay_restrictions = permit_mynetworks, warn_if_reject"
        " reject_unauth_destination, check_client_access inline:{192.0.2.1=REJECT}, warn_if_reject\n"
        "smtpd_recipient_restrictions = defer_if_permit",
        {
            ("warned-guard", "warn_if_reject reject_unauth_destination"),
            ("defer-if-permit-guard", "defer_if_permit"),
            ("trailing-warn-if-reject", "warn_if_reject"),
        },
    ),
    "users cannot send": (
        BASE + USERS + "smtpd_recipient_restrictions = reject_unauth_destination, permit_mynetworks,"
        " permit_sasl_authenticated",
        {("guard-before-permits", "reject_unauth_destination")},
    ),
    "users cannot send, other list": (
        BASE + USERS + "smtpd_recipient_restrictions = reject_unauth_destination, reject_non_fqdn_recipient",
        {("guard-before-permits", "reject_unauth_destination")},
    ),
    "users cannot send, early list": (
        BASE + USERS + "smtpd_sender_restrictions = reject_unauth_destination",
        {("guard-before-permits", "reject_unauth_destination")},
    ),
    "own networks cannot send": (
        BASE + "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
        "smtpd_recipient_restrictions = reject_unauth_destination, reject_unlisted_recipient",
        {("guard-before-permits", "reject_unauth_destination")},
    ),
    "nobody permits logins": (
        BASE + USERS + "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination",
        {("sasl-without-permit", "")},
    ),
    "all inbound mail refused": (
        BASE + "smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject",
        {("rejects-everybody", "reject")},
    ),
    "all inbound mail refused by the client list": (
        BASE + "smtpd_client_restrictions = permit_mynetworks, reject",
        {("rejects-everybody", "reject")},
    ),
    "submission without permit": (
        BASE + SUBMISSION + "  -o smtpd_client_restrictions=permit_mynetworks,reject\n",
        {("rejects-everybody", "reject")},
    ),
    "hotel": (
        BASE + USERS + "smtpd_client_restrictions = permit_mynetworks, reject_unknown_client_hostname,"
        " reject_unknown_reverse_client_hostname, permit_sasl_authenticated\n"
        "smtpd_helo_restrictions = reject_non_fqdn_helo_hostname, reject_unknown_helo_hostname",
        {
            ("roaming-users-refused", "reject_unknown_client_hostname"),
            ("roaming-users-refused", "reject_unknown_reverse_client_hostname"),
            ("roaming-users-refused", "reject_non_fqdn_helo_hostname"),
            ("roaming-users-refused", "reject_unknown_helo_hostname"),
        },
    ),
    "blocklist on submission": (
        BASE + "smtpd_client_restrictions = permit_mynetworks, reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]\n"
        "smtpd_helo_restrictions = permit_mynetworks, reject_non_fqdn_hostname" + SUBMISSION,
        {("roaming-users-refused", "reject_rbl_client zen"), ("roaming-users-refused", "reject_non_fqdn_hostname")},
    ),
    "checks before the own networks": (
        BASE + "smtpd_recipient_restrictions = reject_non_fqdn_sender, reject_unknown_sender_domain,"
        " reject_unknown_client_hostname, permit_mynetworks, reject_unauth_destination",
        {
            ("unqualified-sender-before-permits", "reject_non_fqdn_sender"),
            ("dns-check-before-permits", "reject_unknown_sender_domain"),
            ("roaming-users-refused", "reject_unknown_client_hostname"),
        },
    ),
    "logins": (
        BASE + USERS + "smtpd_sender_login_maps = inline:{user@example.org=user}\n"
        "smtpd_sender_restrictions = permit_sasl_authenticated, reject_sender_login_mismatch",
        {("mismatch-after-permit", "reject_sender_login_mismatch"), ("mismatch-for-strangers", "")},
    ),
    "logins without maps": (
        BASE + USERS + "smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch,"
        " reject_known_sender_login_mismatch",
        {
            ("login-check-without-maps", "reject_authenticated_sender_login_mismatch"),
            ("known-sender-check-without-maps", "reject_known_sender_login_mismatch"),
        },
    ),
    "logins without SASL": (
        BASE + "smtpd_sender_restrictions = reject_sender_login_mismatch, check_sasl_access hash:/etc/postfix/sasl",
        {
            ("login-check-without-sasl", "reject_sender_login_mismatch"),
            ("login-check-without-sasl", "check_sasl_access"),
        },
    ),
    "mismatch behind mynetworks": (
        BASE + SUBMISSION + "  -o smtpd_sender_login_maps=inline:{user@example.org=user}\n"
        "  -o smtpd_sender_restrictions=permit_mynetworks,reject_authenticated_sender_login_mismatch\n",
        {("mismatch-after-mynetworks", "reject_authenticated_sender_login_mismatch")},
    ),
    "no delay": (
        BASE + USERS + "smtpd_delay_reject = no\n"
        "smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated, reject\n"
        "smtpd_helo_restrictions = check_sender_access inline:{example.com=REJECT}\n"
        "smtpd_sender_restrictions = check_recipient_access inline:{a@example.org=REJECT}, reject_unauth_destination",
        {
            ("login-too-early", "permit_sasl_authenticated"),
            ("too-early-without-delay", "check_sender_access"),
            ("too-early-without-delay", "check_recipient_access"),
        },
    ),
    "late lists": (
        BASE + "smtpd_data_restrictions = check_recipient_access inline:{a@example.org=REJECT},"
        " inline:{example.com=REJECT}\n"
        "smtpd_end_of_data_restrictions = reject_unlisted_recipient\n"
        "smtpd_etrn_restrictions = reject_unknown_sender_domain, reject_unauth_destination\n"
        "smtpd_sender_restrictions = check_etrn_access inline:{example.org=OK}",
        {
            ("only-single-recipient", "check_recipient_access"),
            ("table-without-check", "inline:"),
            ("only-single-recipient", "reject_unlisted_recipient"),
            ("no-effect-in-list", "reject_unknown_sender_domain"),
            ("no-effect-in-list", "reject_unauth_destination"),
            ("no-effect-in-list", "check_etrn_access"),
        },
    ),
    "HELO and pipelining": (
        BASE + "smtpd_helo_restrictions = permit_mynetworks, reject_invalid_hostname\n"
        "smtpd_client_restrictions = reject_unauth_pipelining, permit",
        {
            ("helo-not-required", "reject_invalid_hostname"),
            ("deprecated-spelling", "reject_invalid_hostname"),
            ("pipelining-in-early-list", "reject_unauth_pipelining"),
        },
    ),
    "only permits": (
        BASE + "smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated, permit\n"
        "smtpd_sender_restrictions = permit_mynetworks, check_sender_access inline:{friend@example.com=OK}, permit",
        {("list-only-permits", "")},
    ),
    "behind reject": (
        BASE + SUBMISSION + "  -o smtpd_client_restrictions=permit_sasl_authenticated,reject,permit_mynetworks\n",
        {("unreachable-restriction", "permit_mynetworks")},
    ),
    "verification": (
        "compatibility_level = 2\nmydestination = example.org\nsmtpd_recipient_restrictions = permit_mynetworks,"
        " reject_unverified_recipient, reject_unknown_recipient_domain, reject_unauth_destination,"
        " reject_unverified_sender",
        {
            ("probes-for-strangers", "reject_unverified_recipient"),
            ("probes-for-strangers", "reject_unknown_recipient_domain"),
            ("sender-verification", "reject_unverified_sender"),
        },
    ),
    "internal relay domain": (
        BASE + "relay_domains = exchange.lan\nrelay_recipient_maps = hash:/etc/postfix/rr\n"
        "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_unknown_recipient_domain",
        {("internal-relay-domain", "reject_unknown_recipient_domain")},
    ),
    "classes": (
        BASE + "smtpd_restriction_classes = Strict, loop, again, unused, nothing, reject\n"
        "Strict = reject_unknown_client_hostname\nloop = again\nagain = reject_unlisted_sender, loop\n"
        "unused = reject\nreject = permit\nforgotten = reject_unlisted_sender\n"
        "smtpd_client_restrictions = permit_mynetworks, strict, forgotten, loop",
        {
            ("case-of-class", "strict"),
            ("undeclared-class", "forgotten"),
            ("class-cycle", "loop"),
            ("unused-class", "unused"),
            ("undefined-class", "nothing"),
            ("class-named-like-restriction", "reject"),
        },
    ),
    "braces": (
        BASE + "smtpd_client_restrictions = { permit_mynetworks }, { hash:/etc/postfix/a },"
        " check_client_access { hash:/etc/postfix/b }\n"
        "smtpd_sender_restrictions = check_sender_access inline:{example.com=REJECT, reject_unknown_sender_domain",
        {
            ("braced-restriction", "{ permit_mynetworks }"),
            ("braced-restriction", "{ hash:/etc/postfix/a }"),
            ("braced-restriction", "check_client_access"),
            ("unbalanced-brace", "check_sender_access"),
        },
    ),
    "dollar": (
        BASE + "smtpd_client_restrictions = check_client_access pcre:{{/^x$/ OK}}",
        {("macro-error", "")},
    ),
    "results": (
        BASE + "smtpd_client_restrictions = check_client_access inline:{ {a.example=REJCT}, {b.example=550},"
        " {c.example=permit_mynetworks # us}, {d.example=hash:/etc/x}, {e.example=REJECT # spam},"
        " {f.example=ALLOW}, {g.example=FILTER amavis}, {h.example=REJECT 450 4.7.1 later},"
        " {i.example=554 5.7.1 fine}, {j.example=REJECT:}, {k.example=user@example.org}, {l.example=OK} }",
        {
            ("unknown-result", "the result REJCT"),
            ("code-without-text", "For b.example"),
            ("comment-in-result", "c.example"),
            ("table-in-result", "d.example"),
            ("comment-in-reply", "e.example"),
            ("unknown-result", "result ALLOW"),
            ("result-without-value", "g.example"),
            ("code-behind-reject", "h.example"),
            ("unknown-result", "result REJECT:"),
            ("unknown-result", "k.example"),
        },
    ),
    "OK where it is forbidden": (
        BASE + "smtpd_sender_restrictions = check_sender_ns_access inline:{ns.example.com=OK},"
        " check_reverse_client_hostname_access inline:{example.net=permit}",
        {("ok-forbidden", "ns.example.com"), ("ok-forbidden", "example.net")},
    ),
    "client keys": (
        BASE + "smtpd_client_restrictions = check_client_access hash:/etc/postfix/clients\n"
        "# /etc/postfix/clients\n192.0.2.0/24 REJECT\n.example.com REJECT\n[192.0.2.1] REJECT\n2001:db8:: REJECT\n"
        "*.example.net REJECT\n",
        {
            ("key-never-matches", "192.0.2.0/24"),
            ("key-never-matches", ".example.com"),
            ("key-never-matches", "[192.0.2.1]"),
            ("key-never-matches", "2001:db8::"),
            ("key-never-matches", "*.example.net"),
        },
    ),
    "mail keys": (
        BASE + "smtpd_sender_restrictions = check_sender_access hash:/etc/postfix/senders\n"
        "# /etc/postfix/senders\n@example.com REJECT\nroot REJECT\n<a@example.com> REJECT\nabuse@ OK\n"
        "example.net REJECT\n192.0.2.1 REJECT\nexample.info: REJECT\nexample.net OK\n",
        {
            ("key-never-matches", "@example.com"),
            ("key-never-matches", "root"),
            ("key-never-matches", "<a@example.com>"),
            ("user-key-behind-domain", "abuse@"),
            ("keys-of-another-check", "192.0.2.1"),
            ("key-never-matches", "example.info:"),
            ("duplicate-key", "example.net OK"),
        },
    ),
    "mail keys in a client table": (
        BASE + "smtpd_client_restrictions = check_client_access hash:/etc/postfix/c\n"
        "# /etc/postfix/c\nuser@example.com REJECT\nother@example.com REJECT\n",
        {("keys-of-another-check", "user@example.com")},
    ),
    "patterns": (
        BASE + "smtpd_client_restrictions = check_client_access pcre:/etc/postfix/p, check_client_access cidr:/etc/c\n"
        "# /etc/postfix/p\n/example.com/ OK\n/(/ REJECT\nif /a/\n/^a$/ REJECT\n"
        "# /etc/c\n192.0.2.1/24 REJECT\n198.51.100.0/24 OK\n198.51.100.7 REJECT\nfoo REJECT\n",
        {
            ("unanchored-allow-pattern", "/example.com/ OK"),
            ("table-line-ignored", "/(/ REJECT"),
            ("table-line-ignored", "if /a/"),
            ("table-line-ignored", "192.0.2.1/24 REJECT"),
            ("rule-never-reached", "198.51.100.7"),
            ("table-line-ignored", "foo REJECT"),
        },
    ),
    "aliases as access": (
        BASE + "virtual_alias_maps = hash:/etc/postfix/virtual\n"
        "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
        " check_recipient_access hash:/etc/postfix/virtual",
        {("rewriting-table-as-access-table", "hash:/etc/postfix/virtual")},
    ),
    "texthash twice": (
        BASE + "smtpd_client_restrictions = check_client_access texthash:/etc/postfix/c\n"
        "# /etc/postfix/c\n192.0.2.1 REJECT\n192.0.2.1 OK\n",
        {("broken-table", "texthash:/etc/postfix/c")},
    ),
    "warned tables": (
        BASE + "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, warn_if_reject"
        " check_policy_service unix:private/p, warn_if_reject check_sender_access hash:/etc/postfix/s",
        {("warned-table", "check_policy_service"), ("warned-table", "check_sender_access")},
    ),
    "tempfail": (
        BASE + "unknown_address_tempfail_action = defer\nunverified_sender_tempfail_action = permit\n",
        {("bad-tempfail-action", "")},
    ),
    "message actions too early": (
        BASE + "smtpd_delay_reject = no\nsmtpd_client_restrictions = check_client_access"
        " inline:{ {192.0.2.1 = FILTER smtp:[127.0.0.1]:10025} }",
        {("result-too-early", "192.0.2.1")},
    ),
    "guessing": (
        BASE + USERS + "smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated, reject",
        {("auth-open-to-refused", "reject"), ("rejects-everybody", "reject")},
    ),
    "level 0": (
        "smtpd_client_restrictions = permit_mynetworks, permit_mynetworks, sleep x",
        {("no-relay-guard", ""), ("repeated-restriction", "permit_mynetworks"), ("missing-argument", "sleep x")},
    ),
    "dunno and REJECT as restrictions": (
        BASE + "smtpd_recipient_restrictions = permit_mynetworks, DUNNO, OK, reject_unauth_destination",
        {("unknown-restriction", "DUNNO"), ("unknown-restriction", "OK")},
    ),
    "one word for several lists": (
        BASE
        + "smtpd_client_restrictions = permit_mynetworks, reject_rbl_client bl.example.org, dul.example.org, \\\\\n"
        "    reject_rbl_client=ix.example.org, reject_rhsbl_client(rhs.example.org), 192.0.2.0/24,"
        " check_client_access $mynetworks, check_client_access=hash:/etc/postfix/x\n"
        "mynetworks = 192.0.2.0/24",
        {
            ("unknown-restriction", "reject_rbl_client of its own"),
            ("foreign-syntax", "\\\\"),
            ("foreign-syntax", "reject_rbl_client=ix.example.org"),
            ("foreign-syntax", "reject_rhsbl_client(rhs.example.org)"),
            ("unknown-restriction", "192.0.2.0/24"),
            ("missing-argument", "check_client_access 192.0.2.0/24"),
            ("stray-colon", "check_client_access=hash:"),
        },
    ),
    "checks for nobody": (
        BASE
        + "smtpd_recipient_restrictions = permit_mynetworks, permit_auth_destination, reject_unknown_sender_domain,"
        " reject\n"
        "smtpd_sender_restrictions = check_sender_access inline:{friend@example.com=OK, example.net=DUNNO}",
        {("checks-behind-permit-auth-destination", "reject_unknown_sender_domain"), ("list-only-permits", "")},
    ),
    "results without a word": (
        BASE + "smtpd_sender_restrictions = check_sender_access hash:/etc/postfix/s\n"
        '# /etc/postfix/s\nexample.com 5.7.1 Go away\nexample.net "550 Go away"\nexample.org\n',
        {
            ("unknown-result", "example.com 5.7.1"),
            ("unknown-result", "quotes"),
            ("table-line-ignored", "example.org"),
        },
    ),
    "undefined mua lists": (
        BASE + SUBMISSION + "  -o smtpd_client_restrictions=$mua_client_restrictions\n",
        {("undefined-macro", "$mua_client_restrictions")},
    ),
}


@pytest.mark.parametrize(("text", "expected"), BROKEN.values(), ids=list(BROKEN))
def test_every_mistake_is_found(text: str, expected: set[tuple[str, str]]) -> None:
    findings = lint(example_policy(text))
    missed = {
        (code, part)
        for code, part in expected
        if not any(finding.code == code and part in f"{finding.element} {finding.message}" for finding in findings)
    }
    assert missed == set(), [(each.code, each.parameter, each.element) for each in findings]


@pytest.mark.parametrize(
    ("value", "severity"),
    [
        ("permit_mynetworks, reject_unauth_destination # comment", "deferred"),
        ("permit_mynetworks, reject # comment", "idle"),
        ("permit_mynetworks, reject, check_client_access", "idle"),
        ("permit_mynetworks, reject, check_policy_service private/policy", "deferred"),
        ("permit_mynetworks, reject, hash:", "deferred"),
    ],
)
def test_behind_the_end_of_a_list_only_what_stops_the_start_counts(value: str, severity: str) -> None:
    findings = lint(example_policy(f"mydestination =\nsmtpd_relay_restrictions = {value}"))
    harmful = [each.severity.value for each in findings if each.code not in {"unreachable-restriction"}]
    assert harmful[0] == severity
