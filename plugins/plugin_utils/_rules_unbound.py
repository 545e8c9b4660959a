# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the machine's own resolver."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._addresses import domain_problem
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, shown
from ansible_collections.postern.mail.plugins.plugin_utils._rules_identity import size_mistakes

_FORWARDERS = "unbound_forwarders"
_INSECURE = "unbound_insecure_domains"
_SMALLEST_CACHE = 1024**2


def forwarders(inventory: Inventory) -> Iterator[Mistake]:
    for index, text in inventory.texts(_FORWARDERS):
        host, __, port = text.partition("@")
        at = f"[{index}]"
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            fix = "Write the address of a resolver, such as 192.0.2.53 or 192.0.2.53@5353"
            yield Mistake("forwarder", _FORWARDERS, "it is not an IP address", fix, at, shown(text))
            continue
        if "@" in text and not (port.isdigit() and 0 < int(port) < 65536):
            fix = f"Write: {host}@53"
            yield Mistake("forwarder", _FORWARDERS, f'"{port}" is not a port', fix, at, shown(text))
        elif address.is_loopback and port in ("", "53"):
            reason = "that is unbound itself: questions would go round in a circle"
            yield Mistake("forwarder", _FORWARDERS, reason, "Remove it, or name its port", at, shown(text))


def insecure_domains(inventory: Inventory) -> Iterator[Mistake]:
    for index, name in inventory.texts(_INSECURE):
        if name == ".":
            fix = "Write instead: unbound_validate: false"
            yield Mistake("insecure-domain", _INSECURE, "that is every domain", fix, f"[{index}]", '"."')
        elif problem := domain_problem(name if "." in name else f"x.{name}"):  # a whole top-level domain may be meant
            yield Mistake("insecure-domain", _INSECURE, problem.reason, problem.fix, f"[{index}]", shown(name))


def probe_zone(inventory: Inventory) -> Iterator[Mistake]:
    name = inventory.text("unbound_probe_zone")
    if name not in ("", ".") and (problem := domain_problem(name if "." in name else f"x.{name}")):
        yield Mistake("forwarder", "unbound_probe_zone", problem.reason, "Write: .", value=shown(name))


def cache_size(inventory: Inventory) -> Iterator[Mistake]:
    variable = "unbound_cache_size"
    yield from size_mistakes(inventory.values.get(variable), variable, "", _SMALLEST_CACHE)


RULES = (forwarders, insecure_domains, probe_zone, cache_size)
