# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS lists known by name, and the syntax of their filters."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import dnsbl_sites
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.dnsbl import RULES
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.filters import FilterError, parse_filter
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import example_policy

LIST = "smtpd_recipient_restrictions = reject_unauth_destination, "


def found(text: str) -> list[tuple[str, str]]:
    policy = example_policy(text)
    return [(finding.code, finding.severity.value) for rule in RULES for finding in rule(policy)]


USES = [
    (LIST + "reject_rbl_client dul.dnsbl.sorbs.net", [("dnsbl-dead", "lost")]),
    (LIST + "reject_rbl_client ix.dnsbl.manitu.net", [("dnsbl-dead", "lost")]),
    (LIST + "reject_rbl_client cbl.abuseat.org", [("dnsbl-dead", "lost")]),
    (LIST + "warn_if_reject reject_rbl_client dnsbl.njabl.org", [("dnsbl-dead", "idle")]),
    (LIST + "reject_rhsbl_sender rhsbl.sorbs.net", [("dnsbl-dead", "lost")]),
    (LIST + "reject_rbl_client zen.spamhaus.org", [("dnsbl-needs-filter", "lost")]),
    (LIST + "reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]", []),
    (LIST + "warn_if_reject reject_rbl_client zen.spamhaus.org=127.255.255.[1..255]", []),
    (LIST + "reject_rbl_client zen.spamhaus.org=127.255.255.254", [("dnsbl-filter-holds-errors", "lost")]),
    (LIST + "reject_rbl_client zen.spamhaus.org=127.0.0.x", [("dnsbl-filter-syntax", "deferred")]),
    (LIST + "reject_rbl_client zen.spamhaus.org=127.0.0", [("dnsbl-filter-syntax", "deferred")]),
    (LIST + "reject_rbl_client dbl.spamhaus.org", [("dnsbl-domain-list-for-addresses", "lost")]),
    (LIST + "reject_rbl_client dbl.spamhaus.org=127.0.1.[2..99]", [("dnsbl-wrong-question", "idle")]),
    (LIST + "reject_rhsbl_sender zen.spamhaus.org=127.0.0.[2..11]", [("dnsbl-wrong-question", "idle")]),
    (LIST + "reject_rhsbl_helo dbl.spamhaus.org=127.0.1.[2..99]", []),
    (LIST + "reject_rbl_client list.dnswl.org", [("dnsbl-allow-list-rejects", "lost")]),
    (LIST + "permit_dnswl_client list.dnswl.org", [("dnswl-needs-filter", "idle")]),
    (LIST + "permit_dnswl_client list.dnswl.org=127.0.[2..20].[1..3]", []),
    (
        LIST + "reject_rbl_client zen.spamhaus.org=127.0.0.[2..11], reject_rbl_client pbl.spamhaus.org=127.0.0.[10;11]",
        [("dnsbl-part-of-another", "idle")],
    ),
    (LIST + "reject_rbl_client bl.spamcop.net=127.0.0.2", [("dnsbl-refuses-honest-hosts", "style")]),
    (LIST + "reject_rbl_client dnsbl-3.uceprotect.net", [("dnsbl-refuses-honest-hosts", "lost")]),
    (LIST + "reject_rbl_client KEY.zen.dq.spamhaus.net=127.0.0.[2..11]", [("dnsbl-key-visible", "style")]),
    (LIST + "reject_rbl_client b.barracudacentral.org=127.0.0.2", [("dnsbl-registration", "style")]),
    (LIST + "reject_rbl_client bl.example.net", []),
    (
        "postscreen_dnsbl_sites = zen.spamhaus.org*3, dnsbl.sorbs.net*2",
        [("dnsbl-needs-filter", "lost"), ("dnsbl-dead", "lost")],
    ),
    ("postscreen_dnsbl_sites = list.dnswl.org=127.0.[2..20].[1..3]*-2", []),
    ("postscreen_dnsbl_sites = list.dnswl.org*2", [("dnsbl-allow-list-rejects", "lost")]),
    ("postscreen_dnsbl_sites = bl.spamcop.net*1", []),
]


@pytest.mark.parametrize(("text", "findings"), USES)
def test_uses(text: str, findings: list[tuple[str, str]]) -> None:
    assert found(text) == findings


@pytest.mark.parametrize(
    ("text", "address", "matches"),
    [
        ("127.0.0.2", "127.0.0.2", True),
        ("127.0.0.[2..11]", "127.0.0.11", True),
        ("127.0.0.[2..11]", "127.0.0.12", False),
        ("127.0.[0;2..3].[1]", "127.0.3.1", True),
        ("[127.0.0.2]", "127.0.0.2", True),
    ],
)
def test_filters(text: str, address: str, matches: bool) -> None:
    assert parse_filter(text).matches(address) is matches


@pytest.mark.parametrize(
    "text", ["", "127.0.0", "127.0.0.256", "127.0.0.[3..2]", "127.0.0.[]", "127.0.0.2.3", "127.0.0.[1,2]"]
)
def test_broken_filters(text: str) -> None:
    with pytest.raises(FilterError):
        parse_filter(text)


def test_filters_in_the_data_can_be_read() -> None:
    for alive in dnsbl_sites.KNOWN.values():
        if alive.filter:
            wanted = parse_filter(alive.filter)
            assert not any(wanted.matches(error) for error in alive.errors)


def test_no_list_is_both_gone_and_alive() -> None:
    assert not [domain for domain in dnsbl_sites.KNOWN if dnsbl_sites.gone(domain)]
