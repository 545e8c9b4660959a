"""Rules about the machine's own resolver."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._rules import check
from ansible_collections.postern.mail.plugins.plugin_utils._rules_unbound import RULES

_DS = f"inside.example. IN DS 12345 13 2 {'0F' * 32}"
_KEY = f"example. 3600 IN DNSKEY 257 3 13 {'mdsswUyr' * 8}=="
_ANCHOR = [("trust-anchor", "unbound_trust_anchors[0]")]


def found(**values: Any) -> list[tuple[str, str]]:
    inventory = Inventory(values=values, roles=frozenset({"unbound"}))
    return [(mistake.rule, mistake.variable + mistake.element) for mistake in check(inventory, RULES)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"unbound_forwarders": ["192.0.2.53", "2001:db8::53@5353", "127.0.0.1@5353"]}, []),
        ({"unbound_forwarders": ["dns.example.org"]}, [("forwarder", "unbound_forwarders[0]")]),
        ({"unbound_forwarders": ["192.0.2.1", "192.0.2.53@0"]}, [("forwarder", "unbound_forwarders[1]")]),
        ({"unbound_forwarders": ["192.0.2.53@"]}, [("forwarder", "unbound_forwarders[0]")]),
        ({"unbound_forwarders": ["127.0.0.1"]}, [("forwarder", "unbound_forwarders[0]")]),
        ({"unbound_forwarders": ["::1@53"]}, [("forwarder", "unbound_forwarders[0]")]),
        ({"unbound_insecure_domains": ["example", "inside.example.com"]}, []),
        ({"unbound_insecure_domains": ["."]}, [("insecure-domain", "unbound_insecure_domains[0]")]),
        ({"unbound_insecure_domains": ["in side.example"]}, [("insecure-domain", "unbound_insecure_domains[0]")]),
        ({"unbound_probe_zone": "."}, []),
        ({"unbound_probe_zone": "inside.example"}, []),
        ({"unbound_probe_zone": "192.0.2.1"}, [("forwarder", "unbound_probe_zone")]),
        ({"unbound_trust_anchors": [_DS, _KEY, f". DS 1 8 4 {'0f' * 24} {'0f' * 24}"]}, []),
        ({"unbound_trust_anchors": [_DS[:-2]]}, _ANCHOR),
        ({"unbound_trust_anchors": [_DS.replace("13 2", "13 1")]}, _ANCHOR),
        ({"unbound_trust_anchors": [_KEY.replace("257", "256")]}, _ANCHOR),
        ({"unbound_trust_anchors": [f"{_KEY}!"]}, _ANCHOR),
        ({"unbound_trust_anchors": ["DS 12345 13 2 0F0F"]}, _ANCHOR),
        ({"unbound_trust_anchors": ["example. IN A 192.0.2.1"]}, _ANCHOR),
        ({"unbound_trust_anchors": [f'{_DS}"\n    interface: 0.0.0.0']}, _ANCHOR),
        ({"unbound_trust_anchors": [""]}, _ANCHOR),
        ({"unbound_trust_anchors": [_DS], "unbound_insecure_domains": ["inside.example"]}, _ANCHOR),
        ({"unbound_trust_anchors": [_DS], "unbound_validate": False}, [("trust-anchor", "unbound_trust_anchors")]),
        ({"unbound_cache_size": "64M"}, []),
        ({"unbound_cache_size": "64"}, [("size", "unbound_cache_size")]),
        ({"unbound_cache_size": "lots"}, [("size", "unbound_cache_size")]),
    ],
)
def test_each_mistake_is_told_at_its_element(values: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(**values) == expected
