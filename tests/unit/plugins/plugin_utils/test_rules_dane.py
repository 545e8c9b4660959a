"""Rules about DANE."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._rules import check
from ansible_collections.postern.mail.plugins.plugin_utils._rules_dane import RULES

_GOOD = {
    "mail_features": ["unbound", "dane", "postfix"],
    "mail_protocols": ["imap"],
    "dane_probe_zone": ".",
    "dane_ports": [25, 465, 993],
    "dane_ttl": 3600,
    "dane_rotate_after": "365d",
    "dane_rotate_settle": "1h",
}


def found(**values: Any) -> list[tuple[str, str, str]]:
    inventory = Inventory(values={**_GOOD, **values}, roles=frozenset({"unbound", "dane", "postfix"}))
    return [(each.rule, each.variable + each.element, each.severity) for each in check(inventory, RULES)]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"mail_features": ["dane", "postfix"]},  # another resolver may be there: it is looked at on the host
        {"dane_ports": []},
        {"dane_rotate_after": "0d"},
        {"dane_probe_zone": "example", "dane_probe_forged": ["bogus.example"]},
        {"mail_features": ["postfix"], "dane_ttl": 1, "dane_ports": [26]},  # nobody reads them
        {"unbound_insecure_domains": ["inside.example.com"]},
        {"mail_features": ["unbound", "postfix"], "postfix_tls_policy": [{"level": "dane"}]},
        {"mail_features": ["postfix"], "postfix_tls_policy": [{"level": "dane-only"}]},  # it is looked at on the host
        {
            "mail_features": ["unbound", "postfix"],
            "unbound_validate": False,
            "postfix_tls_policy": [{"level": "secure"}],
        },
    ],
)
def test_what_can_work_is_accepted(values: dict[str, Any]) -> None:
    assert found(**values) == []


@pytest.mark.parametrize(
    ("values", "rule", "place", "severity"),
    [
        ({"unbound_validate": False}, "dane-resolver", "unbound_validate", "error"),
        ({"unbound_manage_resolv_conf": False}, "dane-resolver", "unbound_manage_resolv_conf", "warning"),
        (
            {"dane_probe_zone": "a.example", "unbound_insecure_domains": ["example"]},
            "dane-resolver",
            "unbound_insecure_domains[0]",
            "error",
        ),
        ({"dane_probe_zone": "192.0.2.1"}, "dane-probe", "dane_probe_zone", "error"),
        ({"dane_probe_forged": ["a b.example"]}, "dane-probe", "dane_probe_forged[0]", "error"),
        ({"dane_ports": [25, 25]}, "dane-port", "dane_ports[1]", "error"),
        ({"dane_ports": [25, 70000]}, "dane-port", "dane_ports[1]", "error"),
        ({"dane_ports": [25, 26]}, "dane-port", "dane_ports[1]", "error"),
        ({"dane_ports": [25, 995]}, "dane-port", "dane_ports[1]", "error"),
        ({"dane_ports": [465]}, "dane-port", "dane_ports", "warning"),
        ({"dane_ttl": 59}, "dane-number", "dane_ttl", "error"),
        ({"dane_ttl": 86401}, "dane-number", "dane_ttl", "error"),
        ({"dane_rotate_wait": -1}, "dane-number", "dane_rotate_wait", "error"),
        ({"dane_rotate_after": "a year"}, "duration", "dane_rotate_after", "error"),
        ({"dane_rotate_settle": "1"}, "duration", "dane_rotate_settle", "error"),
        (
            {"mail_features": ["unbound", "dane", "certbot"], "certbot_reuse_key": False},
            "dane-renewal",
            "certbot_reuse_key",
            "error",
        ),
        ({"dane_rotate_after": "7d"}, "dane-rotate", "dane_rotate_after", "warning"),
        (
            {
                "mail_features": ["unbound", "postfix"],
                "unbound_validate": False,
                "postfix_tls_policy": [{"level": "may"}, {"level": "dane-only"}],
            },
            "dane-resolver",
            "unbound_validate",
            "error",
        ),
    ],
)
def test_each_mistake_is_told_at_its_element(values: dict[str, Any], rule: str, place: str, severity: str) -> None:
    assert found(**values) == [(rule, place, severity)]
