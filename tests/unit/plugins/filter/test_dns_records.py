# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The filter: what it takes and how it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.postern.mail.plugins.filter.dns_records import dns_records

SERVER = {"hostname": "mx1.example.org", "domains": ["example.org"], "addresses": ["192.0.2.25"]}


def test_one_server_is_as_good_as_a_list_of_one() -> None:
    records = dns_records(SERVER)
    assert records == dns_records([SERVER])
    assert {"name": "example.org", "type": "MX", "value": "10 mx1.example.org.", "ttl": 3600} in records


@pytest.mark.parametrize("servers", ["mx1.example.org", [["mx1"]], 7, None])
def test_something_else_is_refused(servers: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="made from a server"):
        dns_records(servers)


def test_every_mistake_is_in_the_message() -> None:
    with pytest.raises(AnsibleFilterError) as error:
        dns_records([{**SERVER, "ttl": 1}, {**SERVER, "hostname": "x"}])
    assert "TTL" in str(error.value)
    assert "no dot" in str(error.value)
