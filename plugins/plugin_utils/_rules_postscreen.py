# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about postscreen: stages, DNS lists and what they add up to, allow and deny lists, the shared cache."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._addresses import domain_problem
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, did_you_mean, listed, shown
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import dnsbl_sites
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.filters import FilterError, parse_filter
from ansible_collections.postern.mail.plugins.plugin_utils._postscreen import (
    ANY,
    EARLY,
    ENFORCE,
    OBSERVE,
    TESTS,
    IPNetwork,
    Network,
    Site,
    networks,
    parse_network,
)

STAGE, SITES, ALLOW, DENY = "postscreen_stage", "postscreen_dnsbl_sites", "postscreen_allow", "postscreen_deny"
THRESHOLD, ALLOW_THRESHOLD = "postscreen_dnsbl_threshold", "postscreen_dnsbl_allow_threshold"

# What the restriction engine would tell of the same lists and weights, in words that fit main.cf.
TOLD_HERE = frozenset(
    {
        "dnsbl-dead",
        "dnsbl-needs-filter",
        "dnsbl-filter-holds-errors",
        "dnsbl-filter-syntax",
        "dnsbl-domain-list-for-addresses",
        "dnsbl-wrong-question",
        "dnsbl-allow-list-rejects",
        "dnsbl-block-list-permits",
        "dnsbl-asked-twice",
        "dnsbl-key-visible",
        "postscreen-threshold-unreachable",
        "postscreen-allow-threshold-unreachable",
        "postscreen-smtpd-word-as-dnsbl",
        "postscreen-dnsbl-syntax",
    }
)

_KEYED = ".dq.spamhaus.net"
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_TIME = re.compile(r"[1-9][0-9]*[smhdw]")
_TIMES = ("postscreen_greet_ttl", "postscreen_dnsbl_min_ttl", "postscreen_dnsbl_max_ttl", "postscreen_dnsbl_timeout")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
# RFC 5321 4.5.3.2.1: clients wait 300 s for a greeting; many do not wait a minute.
_LONGEST_WAIT = 30


def stage(inventory: Inventory) -> Iterator[Mistake]:
    given = inventory.values.get(STAGE)
    if given is None:
        return
    if not isinstance(given, Mapping):
        if given not in (OBSERVE, ENFORCE):
            yield _stage_mistake(given, "", "observe or enforce, or one of them by test: {greet: enforce}")
        return
    for test, word in given.items():
        if test not in TESTS:
            reason = f"there is no such test{did_you_mean(str(test), TESTS, 0.5)}"
            yield Mistake("postscreen-stage", STAGE, reason, f"Choose from {listed(TESTS)}", f".{test}")
        elif word not in (OBSERVE, ENFORCE):
            off = (
                "observe or enforce"
                if test in EARLY
                else "observe or enforce; to switch the test off take the line out"
            )
            yield _stage_mistake(word, f".{test}", off)


def _stage_mistake(value: Any, element: str, choices: str) -> Mistake:
    guess = did_you_mean(str(value), (OBSERVE, ENFORCE), 0.5) if isinstance(value, str) else ""
    return Mistake(
        "postscreen-stage", STAGE, f"there is no such stage{guess}", f"Write {choices}", element, shown(value)
    )


def times(inventory: Inventory) -> Iterator[Mistake]:
    for variable in _TIMES:
        text = inventory.values.get(variable)
        if isinstance(text, str) and not _TIME.fullmatch(text):
            reason = "it is not a time: a whole number above 0 and s, m, h, d or w"
            yield Mistake("postscreen-time", variable, reason, "Write for example: 1h", value=shown(text))
    shortest, longest = (_seconds(inventory.values.get(name)) for name in _TIMES[1:3])
    if shortest and longest and shortest > longest:
        reason = f"it is longer than postscreen_dnsbl_max_ttl ({inventory.text(_TIMES[2])})"
        yield Mistake(
            "postscreen-time", _TIMES[1], reason, "Make it the shorter one", value=shown(inventory.text(_TIMES[1]))
        )
    wait = inventory.values.get("postscreen_greet_wait")
    if isinstance(wait, int) and not 1 <= wait <= _LONGEST_WAIT:
        reason = f"it must be 1 to {_LONGEST_WAIT} seconds: robots do not wait, and some honest servers give up"
        yield Mistake("postscreen-time", "postscreen_greet_wait", reason, "Write: 6", value=str(wait))


def _seconds(text: Any) -> int:
    return int(text[:-1]) * _UNITS[text[-1]] if isinstance(text, str) and _TIME.fullmatch(text) else 0


# --- DNS lists ---


def lists(inventory: Inventory) -> Iterator[Mistake]:
    for index, data in inventory.dicts(SITES):
        if isinstance(data.get("domain"), str):
            yield from _list(f"[{index}]", data, Site.of(data))
    yield from _twice(inventory)


def _list(at: str, data: Mapping[str, Any], site: Site) -> Iterator[Mistake]:
    if problem := domain_problem(site.domain):
        yield Mistake("dnsbl", SITES, problem.reason, problem.fix, f"{at}.domain", shown(data["domain"]))
        return
    if (ended := dnsbl_sites.gone(site.domain)) is not None:
        also = ", and answered that everybody is listed" if ended.wildcard else ""
        instead = f"; {ended.instead} holds what it listed" if ended.instead else ""
        reason = f"this list ended {ended.since}{also} ({ended.source})"
        yield Mistake("dnsbl-ended", SITES, reason, f"Take it out{instead}", f"{at}.domain", shown(site.domain))
        return
    alive = dnsbl_sites.known(site.domain)
    yield from _key(at, data, site)
    yield from _weight(at, data, site, alive)
    yield from _filters(at, data, site, alive)
    if site.test_point and not _is_address(site.test_point):
        reason = "it is no IPv4 address"
        yield Mistake("dnsbl", SITES, reason, "Write: 127.0.0.2", f"{at}.test_point", shown(site.test_point))


def _key(at: str, data: Mapping[str, Any], site: Site) -> Iterator[Mistake]:
    canonical = dnsbl_sites.canonical(site.domain)
    if dnsbl_sites.known(site.domain) and canonical != site.domain:
        before = "a secret key" if canonical.endswith(_KEYED) else "a name that the list does not know"
        reason = f"before {canonical} stands {before}, which everybody who is refused would see"
        yield Mistake("dnsbl-key", SITES, reason, f"Write: domain: {canonical}, and key: ...", f"{at}.domain")
    elif canonical.endswith(_KEYED) and not site.key:
        reason = f"{canonical} answers customers only, by the key before its domain"
        yield Mistake("dnsbl-key", SITES, reason, "Add a line: key: ... (from Ansible Vault)", f"{at}.key")
    elif site.key and not all(map(_LABEL.fullmatch, site.key.split("."))):
        reason = "it has a character that no DNS name has, or is too long"
        yield Mistake("dnsbl-key", SITES, reason, "Write the key alone, without the domain", f"{at}.key")


def _weight(at: str, data: Mapping[str, Any], site: Site, alive: dnsbl_sites.Alive | None) -> Iterator[Mistake]:
    if not isinstance(data.get("weight", 1), int):
        return
    if site.weight == 0:
        reason = "it counts for nothing, and the list is asked all the same"
        yield Mistake("dnsbl", SITES, reason, "Write 1, or -1 for a list of good hosts", f"{at}.weight", "0")
    if alive is None:
        return
    if alive.asked == "domain":
        reason = "it lists domains, and postscreen asks about addresses"
        fix = "Take it out; smtpd asks it: {reject_rhsbl_sender: ...}"
        yield Mistake("dnsbl-kind", SITES, reason, fix, f"{at}.domain", shown(site.domain))
    elif alive.good and site.weight > 0:
        reason = f"{site.domain} lists good hosts, and a positive weight refuses them"
        yield Mistake("dnsbl-kind", SITES, reason, f"Write: weight: -{site.weight}", f"{at}.weight", str(site.weight))
    elif not alive.good and alive.asked == "address" and site.weight < 0:
        reason = f"{site.domain} lists hosts that send spam, and a negative weight spares them"
        yield Mistake("dnsbl-kind", SITES, reason, f"Write: weight: {-site.weight}", f"{at}.weight", str(site.weight))


def _filters(at: str, data: Mapping[str, Any], site: Site, alive: dnsbl_sites.Alive | None) -> Iterator[Mistake]:
    given = data.get("filter")
    if given is None:
        return  # told as missing
    wanted = f'filter: "{alive.filter}"' if alive and alive.filter else 'filter: "127.0.0.[2..11]"'
    at = f"{at}.filter"
    if given == ANY or given == [ANY]:
        if alive and alive.errors:
            reason = (
                f"{site.domain} says with an answer ({alive.errors[0]}) that it refuses to answer, and any counts it"
            )
            yield Mistake("dnsbl-filter", SITES, reason, f"Write: {wanted}", at, ANY)
        return
    items = given if isinstance(given, list) else [given]
    if not items:
        yield Mistake("dnsbl-filter", SITES, "it is empty", f"Write: {wanted}", at)
    for position, item in enumerate(items):
        place = f"{at}[{position}]" if isinstance(given, list) else at
        if isinstance(item, str):
            yield from _filter(place, item, site, alive, wanted)
        else:
            yield Mistake("dnsbl-filter", SITES, "it is not text", f"Write: {wanted}", place, shown(item))


def _filter(at: str, text: str, site: Site, alive: dnsbl_sites.Alive | None, wanted: str) -> Iterator[Mistake]:
    try:
        parsed = parse_filter(text)
    except FilterError as problem:
        reason = f"it is no filter: {problem}"
        yield Mistake("dnsbl-filter", SITES, reason, f"Write for example: {wanted}", at, shown(text))
        return
    errors = [answer for answer in (alive.errors if alive else ()) if parsed.matches(answer)]
    if not errors and parsed.matches("127.255.255.254"):
        errors = ["127.255.255.254"]
    if errors:
        reason = f"it also counts {errors[0]}, with which {site.domain} refuses to answer"
        yield Mistake("dnsbl-filter", SITES, reason, f"Write: {wanted}", at, shown(text))


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _twice(inventory: Inventory) -> Iterator[Mistake]:
    """Postfix adds both weights (postconf(5)), which nobody means who writes one line twice."""
    seen: dict[tuple[str, str, str], int] = {}
    for index, data in inventory.dicts(SITES):
        site = Site.of(data)
        for text in site.filters or ("",):
            first = seen.setdefault((site.domain, site.key, text), index)
            if site.domain and first != index:
                reason = f"{site.domain} with this filter is already at {SITES}[{first}], and both weights would count"
                yield Mistake(
                    "dnsbl-repeated", SITES, reason, "Remove one of the two", f"[{index}]", shown(site.domain)
                )
                break


def thresholds(inventory: Inventory) -> Iterator[Mistake]:
    written = inventory.values.get(SITES)
    if not isinstance(written, list) or not all(isinstance(item, Mapping) for item in written):
        return
    weights = [site.weight for site in map(Site.of, written) for __ in site.filters or ("",)]
    best, worst = sum(weight for weight in weights if weight > 0), sum(weight for weight in weights if weight < 0)
    threshold, allow = inventory.values.get(THRESHOLD), inventory.values.get(ALLOW_THRESHOLD)
    if isinstance(threshold, int) and threshold < 1:
        reason = "it must be 1 or more: a client that no list knows has 0, and would be refused"
        yield Mistake("dnsbl-threshold", THRESHOLD, reason, "Write: 1", value=str(threshold))
    elif isinstance(threshold, int) and 0 < best < threshold:
        reason = f"no client can reach it: all lists together weigh {best}"
        fix = f"Write {best} or less, or give the lists more weight"
        yield Mistake("dnsbl-threshold", THRESHOLD, reason, fix, value=str(threshold))
    if isinstance(allow, int) and allow > 0:
        reason = "it must be negative: a client that no list knows has 0, and would be spared all tests"
        yield Mistake("dnsbl-threshold", ALLOW_THRESHOLD, reason, f"Write: -{allow}", value=str(allow))
    elif isinstance(allow, int) and allow < 0 and worst > allow:
        reason = f"no client can reach it: all lists of good hosts together weigh {worst}"
        fix = f"Write {worst}" if worst else "Give a list of good hosts a negative weight, or write 0"
        yield Mistake("dnsbl-threshold", ALLOW_THRESHOLD, reason, fix, value=str(allow))


# --- Allow and deny lists ---


def access_lists(inventory: Inventory) -> Iterator[Mistake]:
    allowed = dict(_read(inventory, ALLOW))
    denied = dict(_read(inventory, DENY))
    for variable in (ALLOW, DENY):
        yield from _entries(inventory, variable)
    for index, net in denied.items():
        at, value = f"[{index}]", shown(str(net))
        for other, spared in allowed.items():
            if _overlap(net, spared):
                reason = f"it overlaps {ALLOW}[{other}] ({spared}), and no host can be both"
                fix = "Take one of the two out, or write the networks around it"
                yield Mistake("allowed-and-denied", DENY, reason, fix, at, value)
        if own := _own(inventory, net):
            reason = f"it holds {own}, which is this server itself"
            yield Mistake("denied-own", DENY, reason, "Take it out, or write smaller networks", at, value)


def _read(inventory: Inventory, variable: str) -> Iterator[tuple[int, IPNetwork]]:
    for index, entry in enumerate(networks(inventory.values.get(variable))):
        if net := parse_network(entry.text):
            yield index, net


def _entries(inventory: Inventory, variable: str) -> Iterator[Mistake]:
    written = inventory.values.get(variable)
    first: dict[IPNetwork, int] = {}
    for index, item in enumerate(written if isinstance(written, list) else []):
        at = f"[{index}]"
        if isinstance(item, Mapping) and (unknown := set(item) - {"network", "comment"}):
            reason = f"an entry has no key {', '.join(map(str, sorted(unknown, key=str)))}"
            fix = "Write {network: ..., comment: ...}, the comment in quotes where it has a comma or a colon"
            yield Mistake("unknown-key", variable, reason, fix, at)
        if not isinstance(item, str | Mapping) or (isinstance(item, Mapping) and not item.get("network")):
            yield Mistake("network", variable, "it is no network", "Write for example: 192.0.2.0/24", at, shown(item))
            continue
        entry = Network.of(item)
        if wrong := _network_problem(entry.text):
            yield Mistake("network", variable, wrong[0], wrong[1], at, shown(entry.text))
            continue
        net = ipaddress.ip_network(entry.text)
        if net.prefixlen == 0 and variable == ALLOW:
            reason, fix = "it is everybody: nobody would be tested", "Take it out, or postscreen out of mail_features"
            yield Mistake("network", variable, reason, fix, at, shown(entry.text))
        for other, position in first.items():
            if _overlap(net, other):
                same = "the same network" if net == other else f"{other} and {net} overlap: it"
                reason = f"{same} is already at {variable}[{position}]"
                yield Mistake("duplicate-network", variable, reason, "Keep the wider one", at, shown(entry.text))
                break
        first.setdefault(net, index)


def _network_problem(text: str) -> tuple[str, str] | None:
    """Why cidr_table(5) could not read it, or would never match it, and what to write."""
    if "[" in text or "]" in text:
        return "addresses stand without brackets here", f"Write: {text.replace('[', '').replace(']', '')}"
    net = parse_network(text)
    if net is None or "%" in text:
        if re.fullmatch(r"[A-Za-z0-9.-]*[A-Za-z][A-Za-z0-9.-]*", text):
            return "it is a name, and postscreen knows addresses only", "Write its addresses"
        return "it is no address or network", "Write for example: 192.0.2.0/24, or 2001:db8::/32"
    address, slash, length = text.partition("/")
    if slash and not length.isdigit():
        return "the mask must be a number of bits", f"Write: {net}"
    if net.version == 6 and net.subnet_of(ipaddress.IPv6Network("::ffff:0:0/96")):
        inner = ipaddress.IPv4Address(int(net.network_address) & 0xFFFFFFFF)
        return (
            "an IPv4 client has its IPv4 address here, so it would match nobody",
            f"Write: {inner}/{net.prefixlen - 96}",
        )
    if ipaddress.ip_address(address) != net.network_address:
        return "it has bits behind the mask, and Postfix would skip it", f"Write: {net}, or {address} for this one host"
    return None


def _overlap(one: IPNetwork, other: IPNetwork) -> bool:
    return one.version == other.version and bool(one.overlaps(other))


def _own(inventory: Inventory, net: IPNetwork) -> str:
    """A network or address of this server's own that a denied network touches; what facts tell is asked later."""
    for variable in ("postfix_mynetworks", "postfix_own_addresses"):
        for __, text in inventory.texts(variable):
            own = parse_network(text.replace("[", "").replace("]", ""))
            if own and own.prefixlen and _overlap(net, own):
                return text
    return "127.0.0.0/8" if _overlap(net, ipaddress.ip_network("127.0.0.0/8")) else ""


# --- The shared cache ---


def cache(inventory: Inventory) -> Iterator[Mistake]:
    variable = "postscreen_cache_server"
    text = inventory.text(variable)
    found = re.fullmatch(r"inet:(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})", text)
    if text and not (found and 0 < int(found[2]) < 65536) and not re.fullmatch(r"unix:/\S+", text):
        fix = "Write for example: inet:cache.example.org:11211, inet:[2001:db8::7]:11211 or unix:/run/memcached/socket"
        yield Mistake("cache-server", variable, "it is no server", fix, value=shown(text))
    address = parse_network(found[1].strip("[]")) if found else None
    if address and address.is_global:
        reason = "it is a public address: memcached asks nobody for a password, and who writes into it lets anybody in"
        fix = "Use an address of a network of your own"
        yield Mistake("cache-server", variable, reason, fix, value=shown(text), severity="warning")


RULES = (stage, times, lists, thresholds, access_lists, cache)
