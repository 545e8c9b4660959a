# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""How mail leaves: what a contribution may raise, and what the user says of single destinations."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._outbound_tls import outbound
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError

OWN = "lmdb:$maps_directory/tls_policy"
STS = "socketmap:inet:127.0.0.1:8461:postfix"
ENTRY = {"destination": "Example.org", "level": "encrypt"}


@pytest.mark.parametrize(
    ("policy", "contributions", "level", "dns", "maps"),
    [
        ([], [], "may", None, None),
        ([], [{"name": "dane", "outbound_tls_level": "dane"}], "dane", "dnssec", None),
        ([], [{"name": "dane", "outbound_tls_level": None, "tls_policy_maps": None}], "may", None, None),
        ([ENTRY], [], "may", None, [OWN]),
        ([ENTRY | {"level": "dane-only"}], [], "may", "dnssec", [OWN]),
        ([ENTRY], [{"name": "sts", "tls_policy_maps": [STS]}], "may", None, [OWN, STS]),
        (
            [],
            [{"name": "b", "tls_policy_maps": ["b:b"]}, {"name": "a", "tls_policy_maps": ["a:a"]}],
            "may",
            None,
            ["b:b", "a:a"],
        ),
        (
            [],
            [{"name": "a", "outbound_tls_level": "dane"}, {"name": "b", "outbound_tls_level": "dane"}],
            "dane",
            "dnssec",
            None,
        ),
    ],
)
def test_settings(
    policy: list[dict[str, Any]], contributions: list[dict[str, Any]], level: str, dns: str | None, maps: list[str]
) -> None:
    assert outbound(policy, contributions, "lmdb")["settings"] == {
        "smtp_tls_security_level": level,
        "smtp_dns_support_level": dns,
        "smtp_tls_policy_maps": maps,
    }


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"destination": "Example.ORG", "level": "may"}, ("example.org", "may")),
        ({"destination": "[mx.example.org]:587", "level": "dane-only"}, ("[mx.example.org]:587", "dane-only")),
        ({"destination": "a.example", "level": "secure", "match": []}, ("a.example", "secure")),
        (
            {"destination": "a.example", "level": "secure", "match": ["MX.a.example", ".b.example"]},
            ("a.example", "secure match=mx.a.example:.b.example"),
        ),
        (
            {"destination": "a.example", "level": "encrypt", "min_protocol": "TLSv1.3"},
            ("a.example", "encrypt protocols=>=TLSv1.3"),
        ),
    ],
)
def test_an_entry_of_the_table(entry: dict[str, Any], line: tuple[str, str]) -> None:
    result = outbound([entry], [], "lmdb")
    assert result["table"] == dict([line])
    (proof,) = result["proofs"]
    assert proof[-3:] == [line[0], "lmdb:{tree}/maps/tls_policy", line[1]]


@pytest.mark.parametrize(
    ("policy", "contributions", "words"),
    [
        (
            [],
            [{"name": "dane", "outbound_tls_level": "dane"}, {"name": "other", "outbound_tls_level": "encrypt"}],
            ["dane wants dane", "other wants encrypt"],
        ),
        (
            [],
            [{"name": "one", "tls_policy_maps": [STS]}, {"name": "two", "tls_policy_maps": [STS]}],
            ["one and two", STS],
        ),
        ([ENTRY], [{"name": "two", "tls_policy_maps": [OWN]}], ["postfix and two", OWN]),
        ([ENTRY, ENTRY | {"destination": "example.org"}], [], ["example.org", "two TLS policies"]),
        ([ENTRY | {"match": ["a.example"]}], [], ["looks at no name"]),
    ],
)
def test_disagreements_name_both(
    policy: list[dict[str, Any]], contributions: list[dict[str, Any]], words: list[str]
) -> None:
    with pytest.raises(PostfixError) as error:
        outbound(policy, contributions, "lmdb")
    assert [word for word in words if word not in str(error.value)] == []
