"""Filters of the web role: data as playbooks have it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.filter.web_sites import web_address_pattern, web_sites, web_string

OWN = {"hostname": "mx2.example.org", "domains": ["example.org"]}
SERVERS = {
    "hostnames": ["mx1.example.org", "", "mx2.example.org"],
    "domains": [["example.org"], [], ["example.org"]],
    "features": [["postfix"], [], ["postfix", "web"]],
}


def test_hosts_are_read_from_columns() -> None:
    plan = web_sites(SERVERS, OWN, stage="testing", max_age=86400)
    (domain,) = plan["domains"]
    assert domain["policy"].split("\r\n")[2:4] == ["mx: mx1.example.org", "mx: mx2.example.org"]


def test_a_server_is_enough() -> None:
    assert web_sites({}, OWN, stage="off", max_age=86400, clients=["apple"])["names"] == ["autoconfig.example.org"]


@pytest.mark.parametrize(
    ("servers", "own", "settings"),
    [
        ({**SERVERS, "features": []}, OWN, {"stage": "testing"}),
        ({}, {"domains": ["example.org"]}, {"stage": "testing"}),
        ({}, OWN, {"stage": "strict"}),
    ],
    ids=["columns of two lengths", "no name", "no such stage"],
)
def test_what_cannot_be_read_is_an_error(
    servers: dict[str, Any], own: dict[str, Any], settings: dict[str, str]
) -> None:
    with pytest.raises(AnsibleFilterError, match="web sites"):
        web_sites(servers, own, max_age=86400, **settings)


def test_words_of_nginx() -> None:
    assert web_string("a\r\n") == r"'a\r\n'"
    assert web_address_pattern(["example.org"]).endswith(r"(example\.org)")
    with pytest.raises(AnsibleFilterError, match="nginx cannot say"):
        web_string("$host")
