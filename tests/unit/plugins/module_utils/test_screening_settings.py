# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How postscreen is set up, old and new spellings, and that no key of a list is told."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.module_utils import _screening_settings as setup

KEY = "abcdefghij0123456789abcdef"


@pytest.mark.parametrize(
    ("parameters", "test", "stage"),
    [
        ({}, "greet", "observe"),
        ({"postscreen_greet_action": "ignore"}, "greet", "observe"),
        ({"postscreen_greet_action": "enforce"}, "greet", "enforce"),
        ({"postscreen_greet_action": "DROP"}, "greet", "enforce"),
        ({"postscreen_denylist_action": "drop"}, "denylist", "enforce"),
        ({"postscreen_blacklist_action": "enforce"}, "denylist", "enforce"),
        (
            {
                "postscreen_denylist_action": "$postscreen_blacklist_action",
                "postscreen_blacklist_action": "enforce",
            },
            "denylist",
            "enforce",
        ),
        ({"postscreen_denylist_action": "${postscreen_blacklist_action}"}, "denylist", "observe"),
    ],
)
def test_stages(parameters: dict[str, str], test: str, stage: str) -> None:
    assert setup.settings(parameters, "")["actions"][test] == stage


def test_what_is_measured_at_all() -> None:
    without = setup.settings({"postscreen_access_list": "permit_mynetworks"}, "smtp inet n - n - - smtpd\n")
    assert [test for test, on in without["enabled"].items() if on] == ["greet"]
    assert without["running"] is False
    found = setup.settings(
        {
            "postscreen_access_list": "permit_mynetworks, cidr:/etc/postfix/maps/postscreen_access.cidr",
            "postscreen_dnsbl_sites": "dnsbl.example",
            "postscreen_bare_newline_enable": "yes",
            "postscreen_dnsbl_threshold": "3",
        },
        "25         inet  n       -       n       -       1       postscreen\n",
    )
    assert [test for test, on in found["enabled"].items() if on] == ["greet", "dnsbl", "denylist", "bare_newline"]
    assert (found["running"], found["threshold"]) == (True, 3)


@pytest.mark.parametrize(
    ("text", "sites"),
    [
        ("", []),
        ("a.example", [("a.example", "", 1)]),
        (
            "a.example*3, b.example=127.0.0.[2..11;13]*-2\n c.example=127.0.0.2",
            [("a.example", "", 3), ("b.example", "127.0.0.[2..11;13]", -2), ("c.example", "127.0.0.2", 1)],
        ),
        ("a.example*many b.example*2=127.0.0.2", []),
    ],
)
def test_sites(text: str, sites: list[tuple[str, str, int]]) -> None:
    assert [(one["domain"], one["filter"], one["weight"]) for one in setup.dnsbl_sites(text)] == sites


@pytest.mark.parametrize(
    ("domain", "shown"),
    [
        (f"{KEY}.zen.dq.example.net", "zen.dq.example.net"),
        ("zen.example.net", "zen.example.net"),
        ("internationalblocklists.example.net", "internationalblocklists.example.net"),
        (f"{KEY}.example", f"{KEY}.example"),
    ],
)
def test_a_key_in_front_of_a_list_is_recognised(domain: str, shown: str) -> None:
    assert setup.public_name(domain) == shown


def test_no_key_is_told() -> None:
    secret, odd = f"{KEY}.zen.dq.example.net", "short.key.example.net"
    data = {
        "settings": {"sites": [{"domain": secret, "filter": "", "weight": 1}]},
        "sites": [{"domain": secret, "hits": 1}, {"domain": odd, "hits": 1}],
        "listings": [{"sites": [[secret, "127.0.0.2"], [odd, "127.0.0.2"]], "hosts": 1}],
        "clients": [{"address": "192.0.2.1", "sites": [[secret, "127.0.0.2"]]}, {"address": "192.0.2.2"}],
    }
    told = repr(setup.without_keys(data, {odd: "list.example.net"}))
    assert KEY not in told and "short.key" not in told
    assert "zen.dq.example.net" in told and "list.example.net" in told
