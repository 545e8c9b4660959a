# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about encryption: profiles that ask too much, destinations that would get no mail, certificates for nobody."""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._addresses import (
    address_problem,
    canonical_domain,
    domain_of,
    domain_problem,
    hostname_problem,
)
from ansible_collections.postern.mail.plugins.plugin_utils._certificates import Fault, pair_faults
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory, texts_in
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, listed, shown
from ansible_collections.postern.mail.plugins.plugin_utils._outbound_tls import NAMED_LEVELS

_POLICY = "postfix_tls_policy"
_SENDERS, _RECIPIENTS = "postfix_tls_required_senders", "postfix_tls_required_recipients"
_CERTIFICATE, _KEY = "mail_certificate_content", "mail_certificate_key_content"
_RSA_CERTIFICATE, _RSA_KEY = "mail_certificate_rsa_content", "mail_certificate_rsa_key_content"
_PAIRS = ((_CERTIFICATE, _KEY), (_RSA_CERTIFICATE, _RSA_KEY))
# [host]:port of a relay; the port may be a name of /etc/services
_RELAY = re.compile(r"\[(?P<host>[^\[\]\s]+)\](?::(?P<port>[A-Za-z0-9-]+))?")
_LIST = re.compile(r"postfix_smtp_\w+_restrictions")
# sendmail(1) takes what begins with a hyphen for an option.
_LOCAL_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=-]*")
_WORDS = {"nexthop", "dot-nexthop", "hostname"}


def _profile(inventory: Inventory, variable: str) -> Mapping[str, Any]:
    """The profile that a variable names; empty where there is none, which is told elsewhere."""
    profiles: dict[str, Any] = {}
    for source in ("mail_tls_profiles", "mail_tls_profiles_extra"):
        value = inventory.values.get(source)
        profiles |= value if isinstance(value, Mapping) else {}
    profile = profiles.get(inventory.text(variable))
    return profile if isinstance(profile, Mapping) else {}


def profiles(inventory: Inventory) -> Iterator[Mistake]:
    """What a profile costs where it is used."""
    variable = "mail_tls_profile_mx"
    if "tls12_ciphers" in _profile(inventory, variable) and not _profile(inventory, variable)["tls12_ciphers"]:
        reason = "servers that do not speak TLS 1.3 will bring their mail, and get yours, in plain text or not at all"
        fix = "Choose intermediate for port 25, unless you know all who write to you"
        yield Mistake("tls-profile-mx", variable, reason, fix, "", shown(inventory.text(variable)), severity="warning")
    if inventory.values.get("mail_certificate_rsa") is not True:
        return
    for variable in ("mail_tls_profile", "mail_tls_profile_mx"):
        profile = _profile(inventory, variable)
        if "tls12_ciphers" in profile and not profile["tls12_ciphers"]:
            reason = f"{variable} is {inventory.text(variable)}, and whoever speaks TLS 1.3 knows ECDSA"
            fix = "Remove it, or choose a profile with TLS 1.2"
            yield Mistake("tls-rsa", "mail_certificate_rsa", reason, fix, value="true")


def destinations(inventory: Inventory) -> Iterator[Mistake]:
    """Each entry of postfix_tls_policy by itself, and beside those before it."""
    if "postfix" not in inventory.features:
        return
    first: dict[str, int] = {}
    for index, entry in inventory.dicts(_POLICY):
        destination = entry.get("destination")
        if isinstance(destination, str):
            yield from _destination(destination, f"[{index}].destination")
            same = first.setdefault(destination.lower(), index)
            if same != index:
                reason = f"[{same}] says already how mail goes there"
                yield Mistake(
                    "tls-policy", _POLICY, reason, "Remove one of them", f"[{index}].destination", shown(destination)
                )
        yield from _entry(entry, index, inventory)


def _destination(text: str, at: str) -> Iterator[Mistake]:
    relay = _RELAY.fullmatch(text)
    if relay:
        host = relay["host"].removeprefix("IPv6:").removeprefix("ipv6:")
        problem = None if _is_address(host) else domain_problem(host)
        if problem:
            yield Mistake("tls-policy", _POLICY, problem.reason, problem.fix, at, shown(text))
    elif "@" in text:
        fix = f"Write the domain: {domain_of(text)}"
        yield Mistake("tls-policy", _POLICY, "it is an address, and mail is sent to domains", fix, at, shown(text))
    elif _is_address(text) or ":" in text or "[" in text:
        fix = "Write a domain, .domain, or what you relay through as [host]:port"
        yield Mistake("tls-policy", _POLICY, "it is neither a domain nor [host]:port", fix, at, shown(text))
    elif problem := domain_problem(text.removeprefix(".")):
        yield Mistake("tls-policy", _POLICY, problem.reason, problem.fix, at, shown(text))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _entry(entry: Mapping[str, Any], index: int, inventory: Inventory) -> Iterator[Mistake]:
    level, match = entry.get("level"), texts_in(entry.get("match"))
    if match and isinstance(level, str) and level not in NAMED_LEVELS:
        reason = f"the level {level} looks at no name, and Postfix would keep all mail for this destination"
        yield Mistake("tls-policy", _POLICY, reason, "Remove it, or write level: secure", f"[{index}].match")
    for position, name in enumerate(match):
        at = f"[{index}].match[{position}]"
        problem = None if name in _WORDS else domain_problem(name.removeprefix("."))
        if name.startswith("*."):
            fix = f"Write: {name[1:]}"
            yield Mistake(
                "tls-policy", _POLICY, "names have no stars here; a dot stands for any below it", fix, at, shown(name)
            )
        elif problem:
            yield Mistake("tls-policy", _POLICY, problem.reason, problem.fix, at, shown(name))
    lowest = entry.get("min_protocol")
    profiles_ = inventory.values.get("mail_tls_profiles")
    known = {each["min_protocol"] for each in profiles_.values()} if isinstance(profiles_, Mapping) else set()
    if isinstance(lowest, str) and known and lowest not in known:
        reason = "it is no version of TLS that mail may use (RFC 8996, RFC 8997)"
        yield Mistake(
            "tls-policy", _POLICY, reason, f"Choose {listed(known)}", f"[{index}].min_protocol", shown(lowest)
        )


def required(inventory: Inventory) -> Iterator[Mistake]:
    """Keys that no address has, and recipients that are not ours."""
    if "postfix" not in inventory.features:
        return
    lists = [value for name, value in inventory.values.items() if _LIST.fullmatch(name) and isinstance(value, list)]
    for variable, stage in ((_SENDERS, "sender"), (_RECIPIENTS, "recipient")):
        if inventory.values.get(variable) and lists and not any(variable in elements for elements in lists):
            reason = "no list of restrictions asks for it, so that plain text is taken all the same"
            fix = f"Add {variable} to postfix_smtp_{stage}_restrictions"
            yield Mistake("access-unused", variable, reason, fix)
        for index, text in inventory.texts(variable):
            at = f"[{index}]"
            problem = (
                address_problem(text) if "@" in text.strip("@") else domain_problem(text.strip("@").removeprefix("."))
            )
            if text.startswith("@"):
                fix = f"Write: {text[1:]}"
                yield Mistake("tls-required", variable, "a domain is written without @ here", fix, at, shown(text))
            elif problem:
                yield Mistake("tls-required", variable, problem.reason, problem.fix, at, shown(text))
            elif variable == _RECIPIENTS and inventory.domains_known and not _is_ours(text, inventory):
                reason = "it is no domain of this server (mail_domains), so nobody brings mail for it"
                yield Mistake("tls-required", variable, reason, f"Choose {listed(inventory.domains)}", at, shown(text))


def _is_ours(text: str, inventory: Inventory) -> bool:
    domain: str = domain_of(text) if "@" in text else canonical_domain(text.removeprefix("."))
    ours = inventory.domains
    return domain in ours or (text.startswith(".") and any(each.endswith(f".{domain}") for each in ours))


def contents(inventory: Inventory) -> Iterator[Mistake]:
    """Certificates that the inventory brings."""
    for certificate, key in _PAIRS:
        given = {name: inventory.text(name).strip() for name in (certificate, key)}
        for name, other in ((certificate, key), (key, certificate)):
            if given[name] and not given[other] and other not in _unreadable(inventory, other):
                reason = f"it is set, and {other} is not: certificate and key belong together"
                yield Mistake("certificate-pair", name, reason, f"Set {other} too")
        if not all(given.values()):
            continue
        if "certbot" in inventory.features:
            reason = "the feature certbot gets certificates as well, and the two would take turns"
            yield Mistake("certificate-pair", certificate, reason, "Remove it, or take certbot out of mail_features")
        now = datetime.datetime.now(datetime.UTC)
        names = [inventory.hostname] if inventory.hostname else []
        yield from faults_told(pair_faults(given[certificate], given[key], names, now), certificate, key)
    if inventory.text(_RSA_CERTIFICATE).strip() and inventory.values.get("mail_certificate_rsa") is False:
        reason = "mail_certificate_rsa is false, so nobody would serve it"
        yield Mistake("certificate-pair", _RSA_CERTIFICATE, reason, "Write: mail_certificate_rsa: true")


def _unreadable(inventory: Inventory, name: str) -> set[str]:
    """The name, where its value could not be read, which is told elsewhere."""
    return set() if name in inventory.values else {name}


def faults_told(faults: Iterable[Fault], certificate: str, key: str, where: str = "") -> Iterator[Mistake]:
    """Faults of a pair as mistakes of the variables it comes from.

    :param where: shown as what was found, such as a path
    """
    for fault in faults:
        variable = key if fault.about == "key" else certificate
        severity = "warning" if fault.warning else "error"
        yield Mistake("certificate", variable, fault.reason, fault.fix, value=where, severity=severity)  # type: ignore[arg-type]


def watch(inventory: Inventory) -> Iterator[Mistake]:
    """What would never be warned of, or told to nobody."""
    if "certificate_watch" not in inventory.features:
        return
    days = inventory.values.get("certificate_watch_days")
    if isinstance(days, int) and days < 1:
        reason = "a warning that comes when it is too late is none"
        yield Mistake("watch", "certificate_watch_days", reason, "Write for example: 14", value=str(days))
    for index, name in inventory.texts("certificate_watch_names"):
        if problem := hostname_problem(name):
            yield Mistake("watch", "certificate_watch_names", problem.reason, problem.fix, f"[{index}]", shown(name))
    recipient = inventory.text("certificate_watch_mail_to")
    problem = address_problem(recipient) if "@" in recipient else None
    if problem or (recipient and not _LOCAL_USER.fullmatch(recipient.partition("@")[0])):
        fix = problem.fix if problem else 'Write an address, postmaster, or "" for nobody'
        reason = problem.reason if problem else "it is no address"
        yield Mistake("watch", "certificate_watch_mail_to", reason, fix, value=shown(recipient))


RULES = (profiles, destinations, required, contents, watch)
