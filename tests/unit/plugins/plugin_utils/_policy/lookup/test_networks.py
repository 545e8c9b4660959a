# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks, and the machine's own addresses."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup import interfaces
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.networks import HostBits, Network, compressed
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SyntaxProblem


@pytest.mark.parametrize(
    ("network", "address", "inside"),
    [
        ("192.0.2.0/24", "192.0.2.255", True),
        ("192.0.2.0/24", "192.0.3.0", False),
        ("192.0.2.7", "192.0.2.7", True),
        ("0.0.0.0/0", "198.51.100.1", True),
        ("0.0.0.0/0", "::1", False),
        ("[2001:db8::]/32", "2001:db8:1::", True),
        ("[2001:db8::/32]", "2001:db8:1::", True),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("192.0.2.0/24", "example.org", False),
    ],
)
def test_members(network: str, address: str, inside: bool) -> None:
    assert (address in Network.parse(network)) == inside


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("192.0.2.0/33", 'bad mask length in "192.0.2.0/33"'),
        ("192.0.2.0/x", 'bad mask value in "192.0.2.0/x"'),
        ("192.0.2/24", 'bad network value in "192.0.2/24"'),
        ("example.org", 'bad address pattern: "example.org"'),
        ("[::1", "missing ']' character after \"[::1\""),
        ("[::1]x", 'garbage after "[::1]"'),
    ],
)
def test_refused(network: str, reason: str) -> None:
    with pytest.raises(SyntaxProblem) as problem:
        Network.parse(network)
    assert str(problem.value) == reason


@pytest.mark.parametrize(
    ("network", "right"),
    [
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("[::ffff:127.0.0.1]/104", "::ffff:127.0.0.0/104"),
        ("10.1.0.0/8", "10.0.0.0/8"),
    ],
)
def test_host_bits(network: str, right: str) -> None:
    with pytest.raises(HostBits) as problem:
        Network.parse(network)
    address, _, length = problem.value.right.partition("/")
    wanted, _, prefix = right.partition("/")
    assert (compressed(address), length) == (compressed(wanted), prefix)


@pytest.mark.parametrize(
    ("address", "form"),
    [("2001:DB8:0:0::1", "2001:db8::1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("192.0.2.1", "192.0.2.1"), ("x", "x")],
)
def test_compressed(address: str, form: str) -> None:
    assert compressed(address) == form


@pytest.mark.parametrize(
    ("parameters", "own", "networks", "assumptions"),
    [
        ({}, ("127.0.0.1", "::1"), "127.0.0.1/32 [::1]/128", 1),
        ({"inet_interfaces": "loopback-only"}, ("127.0.0.1", "::1"), "127.0.0.1/32 [::1]/128", 0),
        ({"inet_interfaces": "loopback-only", "inet_protocols": "ipv4"}, ("127.0.0.1",), "127.0.0.1/32", 0),
        ({"inet_interfaces": "192.0.2.1, localhost"}, ("192.0.2.1", "127.0.0.1", "::1"),
         "192.0.2.1/32 127.0.0.1/32 [::1]/128", 0),
        ({"inet_interfaces": "192.0.2.1", "mynetworks_style": "class"}, ("192.0.2.1",), "192.0.2.0/24", 0),
        ({"inet_interfaces": "mx.example.org"}, (), "", 1),
    ],
)  # fmt: skip
def test_own_addresses(parameters: dict[str, str], own: tuple[str, ...], networks: str, assumptions: int) -> None:
    settings = Policy.of({"compatibility_level": "3.6", **parameters}).settings()
    told: list[str] = []
    assert interfaces.addresses(settings, told.append) == own
    assert len(told) == assumptions
    assert interfaces.networks(settings, told.append) == networks
