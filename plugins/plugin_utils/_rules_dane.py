# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about DANE: the resolver it believes, ports and times of its records, and how keys come into use."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ansible_collections.postern.mail.plugins.module_utils._dkim_state import seconds
from ansible_collections.postern.mail.plugins.plugin_utils._addresses import canonical_domain, domain_problem
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, shown
from ansible_collections.postern.mail.plugins.plugin_utils._outbound_tls import DANE_LEVELS

Rule = Callable[[Inventory], Iterator[Mistake]]

# Below a minute everybody asks for each mail; above a day a stolen key is in use for days after it was replaced.
_TTL = (60, 86400)
_WAIT = (0, 86400)
_MONTH = 30 * 86400
# What serves the certificate; other ports have nobody who could prove anything.
_KNOWN_PORTS = {25: "", 465: "", 587: "", 993: "imap", 143: "imap", 995: "pop3", 4190: "sieve", 443: ""}


def _used(inventory: Inventory) -> bool:
    """For everybody, or for single destinations."""
    levels = (entry.get("level") for __, entry in inventory.dicts("postfix_tls_policy"))
    single = "postfix" in inventory.features and any(level in DANE_LEVELS for level in levels)
    return single or "dane" in inventory.features


def resolver(inventory: Inventory) -> Iterator[Mistake]:
    """Whether a resolver of another host will do can only be seen there; what cannot work is told before."""
    if "unbound" not in inventory.features or not _used(inventory):
        return
    if inventory.values.get("unbound_validate") is False:
        reason = "DANE believes nothing that was not proved by DNSSEC"
        fix = (
            "Take out unbound_validate: false, or what asks for DANE: in mail_features, or levels of postfix_tls_policy"
        )
        yield Mistake("dane-resolver", "unbound_validate", reason, fix, value="false")
    if inventory.values.get("unbound_manage_resolv_conf") is False:
        reason = "Postfix asks whom /etc/resolv.conf names, and that must be a resolver on the server itself"
        fix = "Take it out, unless you let /etc/resolv.conf name 127.0.0.1 yourself; it is looked at on the server"
        yield Mistake("dane-resolver", "unbound_manage_resolv_conf", reason, fix, value="false", severity="warning")
    zone = canonical_domain(inventory.text("dane_probe_zone"))
    for index, name in inventory.texts("unbound_insecure_domains"):
        if zone and f".{zone}".endswith(f".{canonical_domain(name)}"):
            reason = f"dane_probe_zone ({zone}) is in it, and nothing below it is proved"
            fix = "Take it out, or name another zone in dane_probe_zone"
            yield Mistake("dane-resolver", "unbound_insecure_domains", reason, fix, f"[{index}]", shown(name))


def probes(inventory: Inventory) -> Iterator[Mistake]:
    names = [("dane_probe_zone", "", inventory.text("dane_probe_zone") or ".")]
    names += [("dane_probe_forged", f"[{index}]", name) for index, name in inventory.texts("dane_probe_forged")]
    for variable, at, name in names:
        text = canonical_domain(name)
        if variable == "dane_probe_zone" and name == ".":
            continue
        if problem := domain_problem(text if "." in text else f"x.{text}"):  # a whole top-level domain may be meant
            yield Mistake("dane-probe", variable, problem.reason, problem.fix, at, shown(name))


def ports(inventory: Inventory) -> Iterator[Mistake]:
    variable = "dane_ports"
    written = inventory.values.get(variable)
    protocols = {name for __, name in inventory.texts("mail_protocols")}
    seen: dict[int, int] = {}
    for index, port in enumerate(written if isinstance(written, list) else []):
        if isinstance(port, bool) or not str(port).isdecimal():
            continue  # told already
        number, at = int(str(port)), f"[{index}]"
        first = seen.setdefault(number, index)
        needed = _KNOWN_PORTS.get(number, "?")
        if first != index:
            yield Mistake("dane-port", variable, f"{variable}[{first}] is the same", "Remove one", at, str(number))
        elif needed == "?":
            known = ", ".join(map(str, sorted(_KNOWN_PORTS)))
            reason = "nothing of this collection serves the certificate there"
            yield Mistake("dane-port", variable, reason, f"Choose from {known}", at, str(number))
        elif needed and needed not in protocols:
            reason = f"{needed} is not in mail_protocols, so nobody answers there"
            yield Mistake(
                "dane-port", variable, reason, f"Add {needed} to mail_protocols, or remove it", at, str(number)
            )
    if isinstance(written, list) and written and 25 not in seen:
        reason = (
            "25 is where other mail servers look (RFC 7672 3); the others are for mail programs, and few look there"
        )
        yield Mistake("dane-port", variable, reason, "Add: 25", value=shown(written), severity="warning")


def numbers(inventory: Inventory) -> Iterator[Mistake]:
    for variable, (low, high) in {"dane_ttl": _TTL, "dane_rotate_wait": _WAIT}.items():
        text = str(inventory.values.get(variable))
        if text.lstrip("-").isdecimal() and not low <= int(text) <= high:
            reason = f"it is not between {low} and {high}"
            yield Mistake("dane-number", variable, reason, f"Write a number from {low} to {high}", value=text)


def durations(inventory: Inventory) -> Iterator[Mistake]:
    for variable in ("dane_rotate_after", "dane_rotate_settle"):
        text = inventory.text(variable)
        try:
            length = seconds(text) if text else 0
        except ValueError as error:
            fix = str(error)[0].upper() + str(error)[1:]
            yield Mistake("duration", variable, "it is no length of time", fix, value=shown(text))
            continue
        if variable == "dane_rotate_after" and 0 < length < _MONTH:
            reason = "a key that nobody has stolen does not wear out, and each change is one more that can go wrong"
            fix = "Write for example: dane_rotate_after: 365d, or 0d for never"
            yield Mistake("dane-rotate", variable, reason, fix, value=shown(text), severity="warning")


def renewal(inventory: Inventory) -> Iterator[Mistake]:
    """A new key with each renewal is one that nobody knows."""
    if "certbot" in inventory.features and inventory.values.get("certbot_reuse_key") is False:
        reason = "each renewal would have another key, which DNS does not have: none of them could be installed"
        fix = "Take it out; playbooks/rotate_certificate_key.yml replaces keys when it is safe"
        yield Mistake("dane-renewal", "certbot_reuse_key", reason, fix, value="false")


def _where_on(rule: Rule) -> Rule:
    """Nobody needs to write variables well that nobody reads."""

    def checked(inventory: Inventory) -> Iterator[Mistake]:
        return rule(inventory) if "dane" in inventory.features else iter(())

    return checked


RULES = (resolver, *(_where_on(rule) for rule in (probes, ports, numbers, durations, renewal)))
