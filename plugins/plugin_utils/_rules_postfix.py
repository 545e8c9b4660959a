# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about who may send through Postfix: networks and restriction lists.

Postfix starts with most of these mistakes, and answers every client 451, or relays for everybody.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory, texts_in
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, did_you_mean, shown

_STAGES = ("client", "helo", "sender", "relay", "recipient", "data")
_SERVICES = {"port 25": "postfix_smtp", "submission": "postfix_submission"}
# postconf(5), smtpd_client_restrictions and the lists after it. Words that take an argument, and what it is:
_DNS_LISTS = {f"reject_rhsbl_{what}" for what in ("client", "reverse_client", "helo", "sender", "recipient")}
_DNS_LISTS |= {"reject_rbl_client", "permit_dnswl_client", "permit_rhswl_client"}
_LOOKED_UP = ("client", "reverse_client_hostname", "helo", "sender", "recipient")
_TABLES = {f"check_{what}{kind}_access" for what in _LOOKED_UP for kind in ("", "_a", "_mx", "_ns")}
_TABLES |= {"check_ccert_access", "check_sasl_access", "check_etrn_access", "check_address_map"}
_OTHER = {"check_policy_service", "sleep"}
_PLAIN_WORDS = """
    defer defer_if_permit defer_if_reject defer_unauth_destination permit permit_auth_destination permit_inet_interfaces
    permit_mx_backup permit_mynetworks permit_sasl_authenticated permit_tls_all_clientcerts permit_tls_clientcerts
    reject reject_authenticated_sender_login_mismatch reject_invalid_helo_hostname reject_known_sender_login_mismatch
    reject_multi_recipient_bounce reject_non_fqdn_helo_hostname reject_non_fqdn_recipient reject_non_fqdn_sender
    reject_plaintext_session reject_sender_login_mismatch reject_unauth_destination reject_unauth_pipelining
    reject_unauthenticated_sender_login_mismatch reject_unknown_client_hostname reject_unknown_forward_client_hostname
    reject_unknown_helo_hostname reject_unknown_recipient_domain reject_unknown_reverse_client_hostname
    reject_unknown_sender_domain reject_unlisted_recipient reject_unlisted_sender reject_unverified_recipient
    reject_unverified_sender warn_if_reject
"""
# Names from before Postfix 2.3; newer releases drop them one by one.
_OLD = {
    "reject_unknown_client": "reject_unknown_client_hostname",
    "reject_invalid_hostname": "reject_invalid_helo_hostname",
    "reject_non_fqdn_hostname": "reject_non_fqdn_helo_hostname",
    "reject_unknown_hostname": "reject_unknown_helo_hostname",
    "reject_unknown_address": "reject_unknown_sender_domain",
    "reject_maps_rbl": "reject_rbl_client and the name of a list",
    "reject_rbl": "reject_rbl_client and the name of a list",
    "check_recipient_maps": "reject_unlisted_recipient",
    "check_relay_domains": "reject_unauth_destination",
    "permit_naked_ip_address": "permit_mynetworks",
}
_WITH_ARGUMENT = _DNS_LISTS | _TABLES | _OTHER
_WORDS = _WITH_ARGUMENT.union(_PLAIN_WORDS.split())
# smtpd does not start unless one of these is in the relay or recipient list (src/smtpd/smtpd_check.c).
_GUARDS = ("reject_unauth_destination", "defer_unauth_destination", "reject", "defer", "defer_if_permit")
_ADDRESS = re.compile(r"!?(?P<ip>\[[0-9A-Fa-f:.]+\]|[0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)(?P<bits>/\d+)?")
# A network wider than any organisation has is the Internet.
_WIDEST = {4: 8, 6: 16}


def networks(inventory: Inventory) -> Iterator[Mistake]:
    """mynetworks(5): who is in it sends mail to anywhere without a password."""
    variable = "postfix_mynetworks"
    for index, text in inventory.texts(variable):
        if mistake := _network(text, variable, f"[{index}]"):
            yield mistake
    settings = inventory.values.get("postfix_main_cf_extra")
    value = settings.get("mynetworks") if isinstance(settings, Mapping) else None
    for text in re.split(r"[,\s]+", value) if isinstance(value, str) else texts_in(value):
        if mistake := _network(text, "postfix_main_cf_extra", ".mynetworks"):
            yield mistake


def _network(text: str, variable: str, element: str) -> Mistake | None:
    match = _ADDRESS.fullmatch(text)
    if not match or text.startswith("!"):
        return None  # a table, a file or an exception; Postfix judges those itself
    address, bits = match["ip"].strip("[]"), match["bits"] or ""
    try:
        network = ipaddress.ip_network(address + bits)
    except ValueError:
        return Mistake("network", variable, *_no_network(address, bits), element, shown(text))
    if network.prefixlen < _WIDEST[network.version]:
        reason = "everybody in this network may send mail to anywhere: an open relay"
        fix = "Name the networks of your own machines; your users authenticate wherever they are"
        return Mistake("open-relay", variable, reason, fix, element, shown(text))
    if network.version == 6 and not text.startswith("["):
        fix = f'Write: "[{address}]{bits}"'
        return Mistake("network", variable, "Postfix wants an IPv6 address in brackets", fix, element, shown(text))
    return None


def _no_network(address: str, bits: str) -> tuple[str, str]:
    try:
        whole = ipaddress.ip_network(address + bits, strict=False)
    except ValueError:
        return "it is not a network", "Write for example: 192.0.2.0/24"
    network = f"[{whole.network_address}]/{whole.prefixlen}" if whole.version == 6 else str(whole)
    return "it has bits beyond its prefix, which Postfix refuses", f"Write: {network}, or the address alone"


def restriction_lists(inventory: Inventory) -> Iterator[Mistake]:
    classes = _restriction_classes(inventory)
    for prefix in _SERVICES.values():
        for stage in _STAGES:
            variable = f"{prefix}_{stage}_restrictions"
            for index, text in inventory.texts(variable):
                yield from _restrictions(text, variable, f"[{index}]", classes)


def _restriction_classes(inventory: Inventory) -> set[str]:
    settings = inventory.values.get("postfix_main_cf_extra")
    value = settings.get("smtpd_restriction_classes") if isinstance(settings, Mapping) else None
    return set(re.split(r"[,\s]+", value)) if isinstance(value, str) else set(texts_in(value))


def _restrictions(text: str, variable: str, element: str, classes: set[str]) -> Iterator[Mistake]:
    words = _split(text)
    position = 0
    while position < len(words):
        word = words[position]
        takes = word in _WITH_ARGUMENT
        following = words[position + 1] if position + 1 < len(words) else ""
        if word in _OLD:
            reason = "it is an old name that newer releases of Postfix do not know"
            yield Mistake("restriction", variable, reason, f"Write: {_OLD[word]}", element, shown(text))
        elif takes and (not following or following in _WORDS):
            reason = f"{word} lacks its argument: Postfix would answer every client 451"
            yield Mistake("restriction", variable, reason, f"Write: {word} {_example(word)}", element, shown(text))
            takes = False
        elif word in _TABLES and ":" not in following and not following.startswith(("$", "{")):
            reason = "it needs the type of the table: Postfix would answer every client 451"
            yield Mistake("restriction", variable, reason, f"Write: {word} {_example(word)}", element, shown(text))
        elif word not in _WORDS | classes and ":" not in word and not word.startswith(("$", "{")):
            reason = (
                f"Postfix has no restriction {word}{did_you_mean(word, _WORDS, 0.75)}: it would answer every client 451"
            )
            fix = "Write it as in postconf(5), or name it in smtpd_restriction_classes"
            yield Mistake("restriction", variable, reason, fix, element, shown(text))
        position += 2 if takes else 1


def _example(word: str) -> str:
    if word in _DNS_LISTS:
        return "list.example.org"
    return {"sleep": "1", "check_policy_service": "unix:private/policy"}.get(word, "lmdb:/path/to/table")


def _split(text: str) -> list[str]:
    """Words as Postfix separates them: by white space and commas outside braces."""
    return re.findall(r"(?:\{[^{}]*\}|[^\s,{}])+", text)


def relay_guard(inventory: Inventory) -> Iterator[Mistake]:
    """A message to anywhere must meet a refusal before it meets a permission for everybody."""
    for service, prefix in _SERVICES.items():
        names = [f"{prefix}_{stage}_restrictions" for stage in ("relay", "recipient")]
        if not all(_is_known(inventory.values.get(name)) for name in names):
            continue
        lists = [[word for text in texts_in(inventory.values[name]) for word in _split(text)] for name in names]
        if not any(_guards(words) for words in lists):
            guard = "reject_unauth_destination" if service == "port 25" else "reject"
            reason = f"nothing on {service} stops mail to other servers: an open relay, or Postfix refuses to start"
            yield Mistake("open-relay", names[0], reason, f"Add {guard} to it, before any permit")


def _is_known(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(item, str) for item in value)


def _guards(words: Sequence[str]) -> bool:
    """Whether a list refuses strangers' destinations before it permits anybody."""
    for previous, word in zip(["", *words], words, strict=False):
        if previous == "warn_if_reject" or previous in _WITH_ARGUMENT:
            continue  # only a warning, or taken for the argument of the word before
        if word in _GUARDS:
            return True
        if word in ("permit", "static:OK"):
            return False
    return False


RULES = (networks, restriction_lists, relay_guard)
