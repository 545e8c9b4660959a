# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The small world in which generated cases play: few names, so that tables, DNS and sessions often meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postern_differential.cases import world

# One domain of each class of trivial-rewrite(8), and strangers with every kind of DNS.
LOCAL, RELAY, ALIAS, MAILBOX = "example.org", "relay.example", "alias.example", "box.example"
FOREIGN = (
    "example.com",
    "example.net",
    "sub.example.net",
    "nomx.example",
    "nullmx.example",
    "nx.example",
    "fail.example",
)
DOMAINS = (LOCAL, RELAY, ALIAS, MAILBOX, f"sub.{RELAY}", *FOREIGN)

USERS = ("user", "other", "user+ext", "postmaster", "root", "User", "first.last", "alias")
SENDERS = (
    "",
    "someone@example.net",
    "user@example.org",
    "other@example.org",
    "user@sub.example.net",
    "User+Ext@Example.NET",
    "someone@nx.example",
    "someone@fail.example",
    "someone@nomx.example",
    "someone@nullmx.example",
    "bare",
    "someone@bare",
    "someone@[192.0.2.7]",
    "nobody@box.example",
    "a%b@example.org",
    '"quoted user"@example.net',
    "someone@example.com",
    "double-bounce@example.org",
)
RECIPIENTS = (
    "user@example.org",
    "user@example.org",
    "other@example.org",
    "foreign@example.com",
    "foreign@example.com",
    "foreign@example.net",
    "user@relay.example",
    "nobody@relay.example",
    "user@sub.relay.example",
    "user@alias.example",
    "nobody@alias.example",
    "user@box.example",
    "nobody@box.example",
    "User+ext@Example.ORG",
    "postmaster",
    "postmaster@example.org",
    "user",
    "user@bare",
    "user@[198.51.100.1]",
    "user@[127.0.0.1]",
    "user%example.com@example.org",
    "example.com!user@example.org",
    "@example.com:user@example.org",
    '"user@example.com"@example.org',
    "user@nx.example",
    "user@fail.example",
    "user@nullmx.example",
    "user@mxback.example",
    "user@",
    "@example.org",
    "user@example..org",
    "us er@example.org",
    "user@-bad.example",
    "double-bounce@example.org",
    "mailer-daemon@example.org",
)
HELOS = (
    "client.example.net",
    "client.example.net",
    "mail.example.com",
    "mx1.example.org",
    "bare",
    "nx.example",
    "fail.example",
    "nomx.example",
    "192.0.2.7",
    "[192.0.2.7]",
    "[192.0.2.300]",
    "[IPv6:2001:db8::7]",
    "bad_host.example.net",
    "-bad.example.net",
    "host..example.net",
    "Client.Example.NET.",
    "#7",
    "localhost",
)
CLIENTS: tuple[Mapping[str, Any], ...] = (
    {"addr": "192.0.2.7", "name": "client.example.net"},
    {"addr": "192.0.2.7", "name": "client.example.net"},
    {"addr": "192.0.2.7", "name": "unknown"},
    {"addr": "192.0.2.7", "name": "unknown", "reverse": "pool.example.net"},
    {"addr": "198.51.100.3", "name": "desk.example.org"},
    {"addr": "198.51.100.3", "name": "unknown"},
    {"addr": "203.0.113.9", "name": "mail.example.com", "reverse": "mail.example.com"},
    {"addr": "203.0.113.9", "name": "unknown", "reverse": "host.fail.example"},
    {"addr": "203.0.113.77", "name": "Dyn-77.sub.Example.net"},
    {"addr": "127.0.0.1", "name": "localhost"},
    {"addr": "2001:db8::7", "name": "client6.example.net"},
    {"addr": "2001:db8:1:2::9", "name": "unknown"},
    {"addr": "::1", "name": "localhost"},
)
LOGINS = ("", "", "", "", "user", "other", "user@example.org")
NAMES = (
    *("client.example.net", "example.net", ".example.net", "net", "desk.example.org", "example.org", "unknown"),
    *("mail.example.com", "example.com", "sub.example.net", "localhost", "mx.example.net", "ns.example.net"),
)
ADDRESSES = (
    *("192.0.2.7", "192.0.2", "192", "198.51.100.3", "198.51", "203.0.113", "127.0.0.1", "127"),
    *("2001:db8::7", "2001:db8", "2001", "192.0.2.25", "192.0.2.53"),
)
CIDRS = (
    *("192.0.2.0/24", "192.0.2.7", "198.51.100.0/24", "0.0.0.0/0", "203.0.113.9/32", "2001:db8::/32", "::/0"),
    *("192.0.2.1/24", "!192.0.2.0/24", "!198.51.100.0/24", "192.0.2.25", "127.0.0.0/8"),
)
MAIL_KEYS = (
    *("user@example.org", "user+ext@example.org", "other@example.org", "foreign@example.com", "someone@example.net"),
    *("user@", "user+ext@", "someone@", "foreign@", "postmaster@", "example.org", "example.net", "example.com", "net"),
    *(".example.net", "sub.example.net", "@example.org", "<>", "user", "relay.example", "box.example", "bare", "org"),
    *("user@relay.example", "nobody@box.example", "[192.0.2.7]", "alias.example"),
)
PATTERNS = (
    *("/^client/", "/example\\.net$/", "/^user/", "/^USER/", "/@example\\.org$/", "/./", "/^unknown$/", "/^192\\./"),
    *("!/example/", "/^(.*)@(.*)$/", "/^<>$/", "/^someone@/", "/^$/", "/^[0-9.]+$/", "/net$/i", "/(foreign)/"),
)
RESULTS = (
    *(
        "OK",
        "OK",
        "REJECT",
        "REJECT",
        "REJECT go away",
        "DUNNO",
        "DUNNO",
        "dunno",
        "ok",
        "Reject",
        "DEFER",
        "DEFER later",
    ),
    *("450 4.7.1 wait", "550 5.7.1 no", "550 no", "450 wait", "554 5.7.25 no name", "521 5.3.2 bye", "421 4.3.2 bye"),
    *(
        "554",
        "123456",
        "454 4.1.1 x",
        "550 5.1.1 nobody",
        "HOLD",
        "HOLD why",
        "DISCARD",
        "DISCARD why",
        "WARN hm",
        "INFO hm",
    ),
    *(
        "FILTER smtp:[192.0.2.99]",
        "FILTER bad",
        "REDIRECT other@example.org",
        "BCC other@example.org",
        "PREPEND X-Y: z",
    ),
    *(
        "DEFER_IF_PERMIT",
        "DEFER_IF_PERMIT 4.7.1 grey",
        "DEFER_IF_REJECT",
        "DEFER_IF_REJECT later",
        "defer_if_permit hm",
    ),
    *("permit_mynetworks", "permit_mynetworks, reject", "reject_unauth_destination", "permit", "reject", "defer"),
    *(
        "reject_rbl_client dnsbl.example",
        "reject_unknown_sender_domain",
        "permit_sasl_authenticated",
        "REJCT",
        "PERMIT",
    ),
    *("warn_if_reject reject", "reject_non_fqdn_helo_hostname, permit", "permit_mynetworks # home", "550-5.7.1 dash"),
    *(
        "strict",
        "RELAY",
        "REDIRECT bad",
        "PREPEND bad",
        "5.7.1 no code",
        "4.7.1",
        "check_client_access static:OK",
        "599 x",
    ),
    *("600 six", "299 two", "sleep 0", "reject_unlisted_recipient", "DEFER_IF_PERMIT 450 no", "BCC bad", "HANGUP"),
)
POLICY_ANSWERS = (
    *("DUNNO", "DUNNO", "OK", "REJECT", "REJECT by policy", "DEFER_IF_PERMIT greylisted", "450 4.7.1 greylisted"),
    *(
        "PREPEND X-A: b",
        "reject_unauth_destination",
        "550 5.7.1 no",
        "permit_mynetworks",
        "DEFER",
        "HOLD",
        "421 4.7.0 bye",
    ),
    *("action=DUNNO", "action=REJECT so", "nonsense", "WARN hm", "DISCARD", "DEFER_IF_REJECT x"),
)
VERIFIED = (
    *("ok", "undeliverable 5.1.1 no such user", "deferred 4.4.1 connection timed out"),
    "undeliverable host mx.example.com[192.0.2.25] said: 550 5.1.1 unknown (in reply to RCPT TO command)",
)
MACHINES = ("192.0.2.25", "203.0.113.25")

DNS: Mapping[str, Any] = world()["dns"]
DNSBLS = (
    *("dnsbl.example", "dnsbl.example", "dnsbl.example=127.0.0.2", "dnsbl.example=127.0.0.[2..11]", "none.example"),
    *("all.example", "dead.example", "dnsbl.example=127.0.0.[4;10]", "dnsbl.example=127.0.0.x"),
)
RHSBLS = ("rhsbl.example", "rhsbl.example", "rhsbl.example=127.0.1.2", "none.example", "dead.example", "all.example")
DNSWLS = ("dnswl.example", "dnswl.example=127.0.5.[1..2]", "none.example", "dead.example")
RHSWLS = ("rhswl.example", "rhswl.example=127.0.2.2", "none.example", "dead.example")
