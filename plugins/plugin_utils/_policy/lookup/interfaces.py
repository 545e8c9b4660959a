# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine's own addresses: what a policy says of them, and what has to be assumed."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import is_address
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.networks import compressed
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import tokens

LOOPBACK = ("127.0.0.1", "::1")

CLASS_PREFIXES = ((128, 8), (192, 16), (224, 24), (240, 28))
"""First octet below -> length of the natural mask."""


def protocols(settings: Settings) -> tuple[bool, bool]:
    """:return: whether IPv4 and IPv6 are on (inet_protocols)"""
    words = set(tokens(settings["inet_protocols"]))
    return bool(words & {"ipv4", "all"}), bool(words & {"ipv6", "all"})


def addresses(settings: Settings, assume: Callable[[str], None]) -> tuple[str, ...]:
    """:return: addresses that Postfix takes for its own (inet_interfaces), loopback first"""
    listed = list(tokens(settings["inet_interfaces"]))
    if listed in (["all"], ["loopback-only"]):
        if listed == ["all"]:
            assume("The machine's own addresses are not known: taken as 127.0.0.1 and ::1 alone.")
        found = list(LOOPBACK)
    else:
        found = [address for word in listed for address in _host(word, assume)]
    ipv4, ipv6 = protocols(settings)
    return tuple(address for address in found if (ipv6 if ":" in address else ipv4))


def proxies(settings: Settings) -> tuple[str, ...]:
    """:return: addresses in proxy_interfaces"""
    return tuple(compressed(word.strip("[]")) for word in tokens(settings["proxy_interfaces"]))


def _host(word: str, assume: Callable[[str], None]) -> tuple[str, ...]:
    bare = word.strip("[]")
    if is_address(bare):
        return (compressed(bare),)
    if bare == "localhost":
        return LOOPBACK
    assume(f"The addresses of {bare} in inet_interfaces are not known: taken as none.")
    return ()


def networks(settings: Settings, assume: Callable[[str], None]) -> str:
    """:return: mynetworks as Postfix derives it when it is not set (global/mynetworks.c)"""
    style = settings["mynetworks_style"].strip() or "host"
    found = [_network(address, style) for address in addresses(settings, assume)]
    return " ".join(dict.fromkeys(found))


def _network(address: str, style: str) -> str:
    if ":" in address:
        return f"[{address}]/128" if style == "host" or address == "::1" else f"[{_masked(address, 64)}]/64"
    if style == "host":
        return f"{address}/32"
    first = int(address.partition(".")[0])
    if style == "class":
        prefix = next((length for limit, length in CLASS_PREFIXES if first < limit), 28)
    else:
        # The mask of an interface is not known; that of loopback is.
        prefix = 8 if first == 127 else 24
    return f"{_masked(address, prefix)}/{prefix}"


def _masked(address: str, prefix: int) -> str:
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False).network_address)
