# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about DKIM: selectors, keys, who is trusted, and how long keys live."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.postern.mail.plugins.module_utils._dkim_state import LONGEST_PREFIX, is_selector, seconds
from ansible_collections.postern.mail.plugins.plugin_utils._addresses import canonical_domain, domain_problem
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, shown

Rule = Callable[[Inventory], Iterator[Mistake]]

_DOMAINS = "opendkim_domains"
_PREFIX = "opendkim_selector_prefix"
_NETWORKS = "opendkim_trusted_networks"
_SMALLEST_KEY = 2048
_LEGAL = "letters, digits and hyphens, in labels joined by dots, all in lower case"
# Postfix gives up after five days (maximal_queue_lifetime).
_QUEUE_LIFETIME = 5 * 86400


def _entries(inventory: Inventory) -> list[tuple[int, Mapping[str, Any]]]:
    value = inventory.values.get(_DOMAINS)
    return [
        (index, entry)
        for index, entry in enumerate(value if isinstance(value, list) else [])
        if isinstance(entry, Mapping) and isinstance(entry.get("domain"), str)
    ]


def domains(inventory: Inventory) -> Iterator[Mistake]:
    seen: dict[tuple[str, str], int] = {}
    for index, entry in _entries(inventory):
        at = f"[{index}]"
        if problem := domain_problem(entry["domain"]):
            yield Mistake("domain", _DOMAINS, problem.reason, problem.fix, f"{at}.domain", shown(entry["domain"]))
        yield from _selector(index, entry)
        name = (canonical_domain(entry["domain"]), str(entry.get("selector") or ""))
        first = seen.setdefault(name, index)
        if first != index:
            reason = f"{_DOMAINS}[{first}] is for the same domain and selector, and one record can hold one key"
            yield Mistake("dkim-duplicate", _DOMAINS, reason, "Give it another selector", at, shown(entry["domain"]))


def _selector(index: int, entry: Mapping[str, Any]) -> Iterator[Mistake]:
    selector, given = entry.get("selector"), "private_key" in entry
    at = f"[{index}].selector"
    if isinstance(selector, str) and not is_selector(selector):
        reason = f"a selector has {_LEGAL}, at most 63 characters"
        yield Mistake("dkim-selector", _DOMAINS, reason, "Write for example: selector: s2027", at, shown(selector))
    elif selector and not given:
        fix = "Add its private_key, or remove the selector: keys that are made here have selectors of their own"
        yield Mistake("domain-without-key", _DOMAINS, "the selector has no key", fix, at, shown(selector))
    elif given and not selector:
        fix = "Write for example: selector: s2027, as it is in DNS"
        yield Mistake("dkim-selector", _DOMAINS, "a key that is given needs its selector", fix, at)


def keys(inventory: Inventory) -> Iterator[Mistake]:
    for index, entry in _entries(inventory):
        text = entry.get("private_key")
        if isinstance(text, str) and (reason := _key_problem(text)):
            fix = "Make one: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048"
            yield Mistake("dkim-key", _DOMAINS, reason, fix, f"[{index}].private_key")


def _key_problem(text: str) -> str:
    """Why the PEM text is no key to sign with; its content is in no message."""
    # ansible-core needs cryptography itself, for Vault.
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(text.strip().encode() + b"\n", None)
    except TypeError:
        return "it is locked with a passphrase, and opendkim cannot ask for it"
    except ValueError:
        return "it is no private key in PEM form"
    if not isinstance(key, RSAPrivateKey):
        return "it is not an RSA key; Debian's opendkim signs with one algorithm, and every receiver knows RSA"
    if key.key_size < _SMALLEST_KEY:
        return f"it has {key.key_size} bits, and shorter than {_SMALLEST_KEY} is too short to trust (RFC 8301 3.2)"
    return ""


def without_key(inventory: Inventory) -> Iterator[Mistake]:
    if inventory.values.get("opendkim_make_keys") is not False:
        return
    given = {canonical_domain(entry["domain"]) for __, entry in _entries(inventory) if entry.get("private_key")}
    named = {canonical_domain(entry["domain"]): f"[{index}]" for index, entry in _entries(inventory)}
    host = canonical_domain(inventory.text("opendkim_hostname") or inventory.hostname)
    for domain in dict.fromkeys([*sorted(inventory.domains), host, *named]):
        if domain and domain not in given:
            reason = f"{domain} has no key, and opendkim_make_keys is false: its mail would leave unsigned"
            fix = f"Add: {{domain: {domain}, selector: ..., private_key: ...}}, or let keys be made"
            yield Mistake("domain-without-key", _DOMAINS, reason, fix, named.get(domain, ""))


def prefix(inventory: Inventory) -> Iterator[Mistake]:
    text = inventory.text(_PREFIX)
    if not text or (is_selector(text) and len(text) <= LONGEST_PREFIX):
        return
    reason = f"a selector has {_LEGAL}, and with its date at most 63 characters"
    yield Mistake(
        "dkim-selector", _PREFIX, reason, "Write for example: opendkim_selector_prefix: mx1", value=shown(text)
    )


def networks(inventory: Inventory) -> Iterator[Mistake]:
    for index, text in inventory.texts(_NETWORKS):
        at = f"[{index}]"
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            fix = "Write for example: 192.0.2.0/28"
            yield Mistake("dkim-network", _NETWORKS, "it is no address and no network", fix, at, shown(text))
            continue
        if "/" in text and ipaddress.ip_interface(text).ip != network.network_address:
            reason = "it has bits beyond its length"
            yield Mistake("dkim-network", _NETWORKS, reason, f"Write: {network}", at, shown(text))
        elif network.prefixlen == 0:
            reason = "everybody's mail with our name in From would be signed"
            yield Mistake("dkim-network", _NETWORKS, reason, "Name the hosts that send for you", at, shown(text))


def headers(inventory: Inventory) -> Iterator[Mistake]:
    signed = {name.lower() for __, name in inventory.texts("opendkim_sign_headers")}
    for variable in ("opendkim_sign_headers", "opendkim_oversign_headers"):
        names = inventory.texts(variable)
        for index, name in names:
            if not name or not all(33 <= ord(char) <= 126 and char not in ":," for char in name):
                reason = "it is not the name of a header field"
                yield Mistake("dkim-header", variable, reason, "Write for example: Subject", f"[{index}]", shown(name))
            elif name.lower() not in signed:
                fix = "Add it to opendkim_sign_headers"
                yield Mistake("dkim-header", variable, "it is not signed at all", fix, f"[{index}]", shown(name))
        if isinstance(inventory.values.get(variable), list) and "from" not in {name.lower() for __, name in names}:
            yield Mistake("dkim-header", variable, "From must be there (RFC 6376 5.4, 8.15)", "Add: From")


def durations(inventory: Inventory) -> Iterator[Mistake]:
    read: dict[str, int] = {}
    for name in ("after", "keep", "keep_revoked", "settle"):
        variable = f"opendkim_rotate_{name}"
        text = inventory.values.get(variable)
        if not isinstance(text, str):
            continue
        try:
            read[name] = seconds(text)
        except ValueError as error:
            fix = str(error)[0].upper() + str(error)[1:]
            yield Mistake("duration", variable, "it is no length of time", fix, value=shown(text))
    if read.get("keep", _QUEUE_LIFETIME) < _QUEUE_LIFETIME:
        text = inventory.text("opendkim_rotate_keep")
        reason = "mail may wait five days in the queue, and would then arrive with a signature that is revoked"
        fix = "Write at least: opendkim_rotate_keep: 7d"
        yield Mistake("dkim-keep", "opendkim_rotate_keep", reason, fix, value=shown(text), severity="warning")


def _where_on(rule: Rule) -> Rule:
    """Nobody needs to write variables well that nobody reads."""

    def checked(inventory: Inventory) -> Iterator[Mistake]:
        return rule(inventory) if "opendkim" in inventory.features else iter(())

    return checked


RULES = tuple(_where_on(rule) for rule in (domains, keys, without_key, prefix, networks, headers, durations))
