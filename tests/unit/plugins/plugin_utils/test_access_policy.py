# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Access rules in the role's own lists, asked by strangers in the restriction engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.postern.mail.plugins.filter.smtp_verdict import smtp_verdict
from ansible_collections.postern.mail.plugins.plugin_utils._content.tables import access_tables, asked_of_strangers
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import render_table
from ansible_collections.postern.mail.plugins.plugin_utils._postfix_merge import merge_restrictions
from ansible_collections.postern.mail.plugins.test.open_relay import open_relay

DEFAULTS = Path(__file__).parents[4] / "roles/postfix/defaults/main/restrictions.yml"
STAGES = ("client", "helo", "sender", "relay", "recipient", "data")
OWN = "check_sender_access lmdb:$maps_directory/own_domains"
PERMITTING: dict[str, Any] = {
    "postfix_client_access": [{"network": "0.0.0.0/0", "action": "OK"}, {"pattern": "^.*$", "action": "OK"}],
    "postfix_helo_access": [{"pattern": "^.*$", "action": "OK"}],
    "postfix_sender_access": [{"pattern": "^.*$", "action": "OK"}, {"address": "<>", "action": "OK"}],
    "postfix_recipient_access": [{"pattern": "^.*$", "action": "OK"}],
}


def lists() -> dict[str, list[str]]:
    text = DEFAULTS.read_text(encoding="utf-8").replace("{{ __postfix_map_type }}", "lmdb")
    defaults = yaml.safe_load(text)
    return {stage: defaults[f"postfix_smtp_{stage}_restrictions"] for stage in STAGES}


def policy(base: dict[str, list[str]], senders: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Parameters and tables as the role writes them."""
    made = access_tables(PERMITTING, "lmdb")
    own = asked_of_strangers(OWN, "own_domains", senders)
    nobody: dict[str, list[str]] = {"postfix_tls_required_senders": [], "postfix_tls_required_recipients": []}
    merged = merge_restrictions(base, [], "restrictions", {**made["lists"], **nobody, OWN: own["elements"]})
    parameters = {
        "maps_directory": "/etc/postfix/maps",
        "myhostname": "mx.example.org",
        "mydestination": "$myhostname",
        "mynetworks": "127.0.0.0/8",
        "virtual_mailbox_domains": "inline:{example.org=x}",
        "virtual_mailbox_maps": "inline:{alice@example.org=x}",
        "parent_domain_matches_subdomains": "",
        "smtpd_helo_required": "yes",
        "smtpd_restriction_classes": " ".join(own["classes"]),
        **{name: ", ".join(elements) for name, elements in own["classes"].items()},
        **{f"smtpd_{stage}_restrictions": ", ".join(elements) for stage, elements in merged.items()},
    }
    tables = {
        f"/etc/postfix/{each['path']}": each.get("content") or render_table(each["entries"])
        for each in [*made["maps"], *own["maps"]]
    }
    fixed = {
        "helo_access": "mx.example.org 550 5.7.1 You are not this server\n",
        "helo_domains": "example.org 550 5.7.1 You are not this server\n",
        "own_domains": "example.org 550 5.7.1 Not you\n",
    }
    return parameters, tables | {f"/etc/postfix/maps/{name}": content for name, content in fixed.items()}


SENDERS: list[list[str]] = [[], ["192.0.2.0/24"], ["192.0.2.0/24", ".news.example"]]


@pytest.mark.parametrize("senders", SENDERS)
def test_permitting_everybody_everywhere_relays_for_nobody(senders: list[str]) -> None:
    parameters, tables = policy(lists(), senders)
    assert not open_relay(parameters, "3.10", tables)


def test_a_permit_in_place_of_every_guard_does() -> None:
    base = lists()
    for stage in ("client", "relay", "recipient"):
        base[stage] = [
            "permit_mynetworks",
            f"postfix_{stage.replace('relay', 'client')}_access",
            "reject_unauth_destination",
        ]
    parameters, tables = policy(base, [])
    assert open_relay(parameters, "3.10", tables)


CLIENTS = [
    ([], "198.51.100.7", "unknown", 550),
    ([], "192.0.2.7", "unknown", 550),
    (SENDERS[1], "198.51.100.7", "unknown", 550),
    (SENDERS[1], "192.0.2.7", "unknown", 250),
    (SENDERS[2], "192.0.2.7", "unknown", 250),
    (SENDERS[2], "198.51.100.7", "unknown", 550),
    (SENDERS[2], "198.51.100.7", "out.news.example", 250),
    (SENDERS[2], "198.51.100.7", "news.example", 550),
    (SENDERS[2], "198.51.100.7", "news.example.evil.example", 550),
    (SENDERS[2], "2001:db8::7", "out.news.example", 250),
    (SENDERS[2], "2001:db8::7", "mail.evil.example", 550),
]


@pytest.mark.parametrize(("senders", "addr", "name", "code"), CLIENTS)
def test_who_may_send_as_us(senders: list[str], addr: str, name: str, code: int) -> None:
    base = {**lists(), "sender": ["permit_mynetworks", OWN]}
    parameters, tables = policy(base, senders)
    session = {"addr": addr, "name": name, "helo": "mail.example.com", "sender": "news@example.org"}
    for rcpt, expected in (("alice@example.org", code), ("victim@example.net", 554)):
        verdict = smtp_verdict(parameters, {**session, "rcpts": [rcpt]}, "3.10", tables)
        assert verdict["stages"][-1]["code"] == expected, verdict["stages"][-1]
