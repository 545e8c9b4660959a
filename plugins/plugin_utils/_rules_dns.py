# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about DNS records, and about how they are published."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping

from ansible_collections.postern.mail.plugins.plugin_utils._addresses import (
    canonical_domain,
    domain_problem,
    hostname_problem,
    is_ip_address,
)
from ansible_collections.postern.mail.plugins.plugin_utils._dns import servers, spf
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import (
    TTL_RANGE,
    DnsError,
    name_problem,
    read_record,
    ttl_problem,
    zone_of,
)
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, did_you_mean, shown

_DEFAULT_TTL = 3600
# Many name servers refuse shorter keys than the output of the algorithm's hash (RFC 8945 6), and 128 bit are the least.
_SHORTEST_KEY = 16


def names(inventory: Inventory) -> Iterator[Mistake]:
    used = {canonical_domain(name) for __, name in inventory.texts("dns_domains")} or set(inventory.domains)
    for variable in ("dns_hostname", "dns_web_host"):
        name = inventory.text(variable)
        if variable in inventory.changed and name and (problem := hostname_problem(name)):
            yield Mistake("dns-name", variable, problem.reason, problem.fix, value=shown(name))
    for variable in ("dns_domains", "dns_parked_domains"):
        if variable not in inventory.changed:
            continue
        for index, name in inventory.texts(variable):
            at = f"[{index}]"
            if problem := domain_problem(name):
                yield Mistake("dns-name", variable, problem.reason, problem.fix, at, shown(name))
            elif variable == "dns_parked_domains" and canonical_domain(name) in used:
                reason = "this server has mail for it, and a parked domain refuses all mail"
                yield Mistake("dns-parked", variable, reason, "Take it out of one of the two lists", at, shown(name))


def addresses(inventory: Inventory) -> Iterator[Mistake]:
    for variable in ("dns_addresses", "dns_resolvers"):
        for index, text in inventory.texts(variable):
            wrong = servers.address_problem(text)
            if variable == "dns_resolvers":  # the controller's own may be on loopback
                wrong = "" if is_ip_address(text) else "it is no IP address"
            if wrong:
                fix = "Write an address such as 192.0.2.25 or 2001:db8::25"
                yield Mistake("dns-address", variable, wrong, fix, f"[{index}]", shown(text))


def numbers(inventory: Inventory) -> Iterator[Mistake]:
    ranges = {
        "dns_ttl": TTL_RANGE,
        "dns_mx_priority": (0, 65535),
        "dns_service_priority": (0, 65535),
        "dns_update_port": (1, 65535),
        "dns_check_wait": (0, 86400),
    }
    for variable, (low, high) in ranges.items():
        number = _number(inventory.values.get(variable))
        if number is not None and not low <= number <= high:
            fix = f"Write a number from {low} to {high}"
            reason = ttl_problem(number) if variable == "dns_ttl" else f"it is not between {low} and {high}"
            yield Mistake("dns-number", variable, reason, fix, value=str(number))


def _number(value: object) -> int | None:
    text = str(value)
    return int(text) if not isinstance(value, bool) and text.lstrip("-").isdecimal() else None


def sender_policy(inventory: Inventory) -> Iterator[Mistake]:
    """Mechanisms that are none, and records that are known to cost too much without asking anybody."""
    variable, costs = "dns_spf_extra", 0 if inventory.text("dns_spf_servers") == "addresses" else 1
    for index, word in inventory.texts(variable):
        if wrong := spf.mechanism_problem(word):
            fix = "Write for example: include:_spf.example.net or ip4:192.0.2.0/24"
            yield Mistake("dns-spf", variable, wrong, fix, f"[{index}]", shown(word))
        else:
            costs += spf.cost("", f"v=spf1 {word}", lambda name, kind: spf.Answer("unknown")).lookups
    if costs > spf.MAX_LOOKUPS:
        reason = f"the SPF record costs {costs} lookups, and receivers stop at {spf.MAX_LOOKUPS} (RFC 7208 4.6.4)"
        fix = "Take some out, or write ip4: and ip6: instead of names; what they include themselves costs as well"
        yield Mistake("dns-spf", variable, reason, fix, consequence="They answer permerror, as if there were no record")


def reports(inventory: Inventory) -> Iterator[Mistake]:
    schemes = {
        "dns_dmarc_rua": ("mailto",),
        "dns_dmarc_ruf": ("mailto",),
        "dns_tlsrpt_rua": ("mailto", "https"),
    }
    for variable, allowed in schemes.items():
        for index, uri in inventory.texts(variable) if _own(inventory, variable) else []:
            yield from _uri(variable, uri, allowed, f"[{index}]")
    iodef = inventory.text("dns_caa_iodef")
    if iodef:
        yield from _uri("dns_caa_iodef", iodef, ("mailto", "https"), "")
    if inventory.values.get("dns_dmarc_rua") == [] and inventory.text("dns_dmarc_policy") == "none":
        reason = "the policy is none, and nobody gets the reports: the record has no effect at all"
        fix = "Write for example: dns_dmarc_rua: [mailto:dmarc@example.org], or set mail_postmaster"
        yield Mistake("dns-reports", "dns_dmarc_rua", reason, fix, value="[]", severity="warning")


def _own(inventory: Inventory, variable: str) -> bool:
    """A default that follows from a mistake is not told again."""
    return variable in inventory.changed


def _uri(variable: str, uri: str, allowed: tuple[str, ...], element: str) -> Iterator[Mistake]:
    if wrong := servers.report_uri_problem(uri, allowed):
        bare = f"mailto:{uri}" if "@" in uri and ":" not in uri else "mailto:reports@example.org"
        yield Mistake("dns-reports", variable, wrong, f"Write for example: {bare}", element, shown(uri))


def texts(inventory: Inventory) -> Iterator[Mistake]:
    policy = inventory.text("dns_mta_sts_id")
    if wrong := servers.mta_sts_id_problem(policy):
        yield Mistake("dns-mta-sts", "dns_mta_sts_id", wrong, 'Write for example: "20260101"', value=shown(policy))
    for index, issuer in inventory.texts("dns_caa_issuers"):
        if wrong := servers.caa_issuer_problem(issuer):
            fix = "Write the authority's domain, such as letsencrypt.org"
            yield Mistake("dns-caa", "dns_caa_issuers", wrong, fix, f"[{index}]", shown(issuer))
    services = inventory.values.get("dns_services")
    for name, port in services.items() if isinstance(services, Mapping) else ():
        if wrong := servers.service_problem(str(name), port):
            guess = did_you_mean(str(name), servers.SERVICES, 0.6) if str(name) not in servers.SERVICES else ""
            fix = "Write for example: imaps: 993, or 0 where it is not offered"
            yield Mistake("dns-service", "dns_services", f"{wrong}{guess}", fix, f".{name}", shown(port))


def records(inventory: Inventory) -> Iterator[Mistake]:
    for index, record in inventory.dicts("dns_records_extra"):
        if not all(isinstance(record.get(key), str) for key in ("name", "type", "value")):
            continue  # told already
        try:
            read_record(record, _DEFAULT_TTL)
        except DnsError as error:
            fix = "Write name, type and value as in a zone file; the value of a TXT record whole and without quotes"
            yield Mistake("dns-record", "dns_records_extra", str(error), fix, f"[{index}]")


def updates(inventory: Inventory) -> Iterator[Mistake]:
    server, name = inventory.text("dns_update_server"), inventory.text("dns_tsig_name")
    secret = inventory.text("dns_tsig_secret")
    if inventory.text("dns_do") == "publish" and not server:
        fix = "Write for example: dns_update_server: 192.0.2.53; without dynamic updates use dns_do=print"
        yield Mistake("dns-update", "dns_update_server", "nobody is named who takes the updates", fix)
    if server and not is_ip_address(server) and (problem := hostname_problem(server)):
        yield Mistake("dns-update", "dns_update_server", problem.reason, problem.fix, value=shown(server))
    given = {"dns_tsig_name": name, "dns_tsig_secret": secret}
    for variable, value in given.items():
        if server and not value and variable in {"dns_tsig_name", "dns_tsig_secret"} - _unknown(inventory):
            reason = "it is not set: an update without a key is anybody's, and servers refuse it"
            yield Mistake("dns-update", variable, reason, f"Write {variable}, as the name server knows it")
    if name and (wrong := name_problem(name)):
        yield Mistake("dns-update", "dns_tsig_name", wrong, "Write the key's name as in named.conf", value=shown(name))
    if secret and (wrong := _key_problem(secret)):
        fix = "Write the secret that tsig-keygen made, from Ansible Vault"
        yield Mistake("dns-update", "dns_tsig_secret", wrong, fix)


def _unknown(inventory: Inventory) -> set[str]:
    """Variables whose value is not known, because it could not be evaluated; that is told already."""
    return {name for name in ("dns_tsig_name", "dns_tsig_secret") if _missing(inventory, name)}


def _missing(inventory: Inventory, name: str) -> bool:
    return name in inventory.changed and name not in inventory.values


def _key_problem(secret: str) -> str:
    try:
        octets = base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        return "it is no Base64 text"
    return "" if len(octets) >= _SHORTEST_KEY else f"it has {len(octets) * 8} bit, and 128 are the least"


def zones(inventory: Inventory) -> Iterator[Mistake]:
    hosts = [inventory.text("dns_hostname"), inventory.hostname]
    lists = ("dns_domains", "mail_domains", "dns_parked_domains")
    needed = [name for name in hosts if name] + [name for each in lists for __, name in inventory.texts(each)]
    needed += [str(record.get("name") or "") for __, record in inventory.dicts("dns_records_extra")]
    for index, zone in inventory.texts("dns_update_zones"):
        at = f"[{index}]"
        if wrong := name_problem(zone):
            fix = "Write the zone's name, such as example.org"
            yield Mistake("dns-zone", "dns_update_zones", wrong, fix, at, shown(zone))
        elif not any(zone_of(canonical_domain(name), [canonical_domain(zone)]) for name in needed):
            reason = f"none of this server's names is in it{did_you_mean(zone, needed, 0.6)}"
            yield Mistake("dns-zone", "dns_update_zones", reason, "Correct or remove it", at, shown(zone))


RULES: tuple[Callable[[Inventory], Iterator[Mistake]], ...] = (
    names,
    addresses,
    numbers,
    sender_policy,
    reports,
    texts,
    records,
    updates,
    zones,
)
