# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role postscreen wants of Postfix, made from its variables.

Nothing is refused here: what is wrong with the variables is told by the rules (_rules_postscreen), all at once, and
this goes on to make the best of them, so that the rest of the policy can be judged too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import dnsbl_sites
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import Value

OBSERVE, ENFORCE = "observe", "enforce"
EARLY = ("greet", "dnsbl", "denylist")
# They need a client to speak, so it cannot be handed to smtpd any more: each new one must come twice.
DEEP = ("pipelining", "non_smtp_command", "bare_newline")
TESTS = (*EARLY, *DEEP)
ANY = "any"

# What enforce does. Not drop: 521 in place of a greeting makes other servers try again for days
# (smtp_skip_5xx_greeting), 550 at RCPT TO tells their user at once, and the log has HELO, sender and recipient.
# A client that speaks HTTP has no user to tell; drop is Postfix's own default for it.
_ENFORCED = {test: "drop" if test == "non_smtp_command" else "enforce" for test in TESTS}
_ACCESS, _REPLIES, _SHARED = "postscreen_access", "postscreen_dnsbl_replies", "postscreen_shared"
# RFC 5782 section 5: listed wherever a list works, and never.
LISTED, UNLISTED = "127.0.0.2", "127.0.0.1"


def stages(stage: Any) -> dict[str, str]:
    """What is done with each test; one after the greeting that is not there is off.

    :param stage: one word for all tests before the greeting, or a word by test
    """
    given = stage if isinstance(stage, Mapping) else dict.fromkeys(EARLY, stage)
    chosen = {test: word for test, word in given.items() if test in TESTS and word in (OBSERVE, ENFORCE)}
    return {**dict.fromkeys(EARLY, OBSERVE), **chosen}


@dataclass(frozen=True)
class Site:
    """A list as the inventory has it.

    :param domain: without the key
    :param key: secret label before the domain; empty where there is none
    :param filters: answers that count; empty: every answer
    """

    domain: str
    key: str
    filters: tuple[str, ...]
    weight: int
    test_point: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Site:
        given = data.get("filter")
        filters = [given] if isinstance(given, str) else given if isinstance(given, list) else []
        weight = data.get("weight")
        return cls(
            domain=str(data.get("domain") or "").strip().rstrip(".").lower(),
            key=str(data.get("key") or ""),
            filters=tuple(str(item) for item in filters if item != ANY),
            weight=weight if isinstance(weight, int) else 1,
            test_point=str(LISTED if data.get("test_point") is None else data["test_point"]),
        )

    @property
    def asked(self) -> str:
        """The domain that is asked, key included."""
        return f"{self.key}.{self.domain}" if self.key else self.domain

    @property
    def words(self) -> str:
        """As postscreen_dnsbl_sites has it; several filters are several words."""
        filters = [f"={item}" for item in self.filters] or [""]
        return " ".join(f"{self.asked}{item}*{self.weight}" for item in filters)


def sites(data: Any) -> list[Site]:
    return [Site.of(item) for item in data if isinstance(item, Mapping)] if isinstance(data, list) else []


@dataclass(frozen=True)
class Network:
    """An entry of postscreen_allow or postscreen_deny: text, or network and comment."""

    text: str
    comment: str = ""

    @classmethod
    def of(cls, item: Any) -> Network:
        if isinstance(item, Mapping):
            return cls(str(item.get("network") or ""), str(item.get("comment") or ""))
        return cls(str(item))


def networks(data: Any) -> list[Network]:
    return [Network.of(item) for item in data] if isinstance(data, Sequence) and not isinstance(data, str) else []


def contribution(variables: Mapping[str, Any]) -> dict[str, Any]:
    """main_cf, services, maps and secrets for the role postfix; questions and check for the module dnsbl_check.

    :param variables: the role's variables, without their prefix; also map_type
    :returns: also check: fail, warn or skip
    """
    asked = sites(variables["dnsbl_sites"])
    access = _access(networks(variables["allow"]), networks(variables["deny"]))
    maps: list[dict[str, Any]] = []
    if access:
        maps.append({"path": f"maps/{_ACCESS}", "type": "cidr", "content": access})
    if replies := _replies(asked):
        maps.append({"path": f"maps/{_REPLIES}", "type": "texthash", "content": replies, "secret": True})
    return {
        "main_cf": _settings(variables, asked, has_access=bool(access), has_replies=bool(replies)),
        "services": _services(proxied=variables["upstream_proxy_protocol"] != "none"),
        "maps": maps,
        "secrets": sorted({site.key for site in asked if site.key}),
        "questions": _questions(asked),
        "check": _check(variables, asked),
    }


def _check(variables: Mapping[str, Any], asked: Sequence[Site]) -> str:
    how = variables["dnsbl_check"]
    if not asked or how == "skip":
        return "skip"
    enforced = stages(variables["stage"]).get("dnsbl") == ENFORCE
    return "fail" if enforced and how == "stage" else "warn"


def _settings(
    variables: Mapping[str, Any], asked: Sequence[Site], *, has_access: bool, has_replies: bool
) -> dict[str, Value]:
    stage = stages(variables["stage"])
    action = {test: _ENFORCED[test] if word == ENFORCE else "ignore" for test, word in stage.items()}
    wait = int(variables["greet_wait"])
    settings: dict[str, Value] = {
        "postscreen_access_list": ["permit_mynetworks"] + ([f"cidr:$maps_directory/{_ACCESS}"] if has_access else []),
        "postscreen_denylist_action": action["denylist"],
        "postscreen_greet_action": action["greet"],
        "postscreen_greet_wait": f"${{stress?{{{min(2, wait)}}}:{{{wait}}}}}s",
        "postscreen_greet_ttl": variables["greet_ttl"],
    } | _cache(variables)
    if asked:
        settings |= {
            "postscreen_dnsbl_sites": [site.words for site in asked],
            "postscreen_dnsbl_action": action["dnsbl"],
            "postscreen_dnsbl_threshold": variables["dnsbl_threshold"],
            "postscreen_dnsbl_min_ttl": variables["dnsbl_min_ttl"],
            "postscreen_dnsbl_max_ttl": variables["dnsbl_max_ttl"],
            "postscreen_dnsbl_timeout": variables["dnsbl_timeout"],
        }
    if asked and variables["dnsbl_allow_threshold"]:
        settings["postscreen_dnsbl_allowlist_threshold"] = variables["dnsbl_allow_threshold"]
    if has_replies:
        settings["postscreen_dnsbl_reply_map"] = f"texthash:$maps_directory/{_REPLIES}"
    for test in DEEP:
        if test in stage:
            settings |= {f"postscreen_{test}_enable": True, f"postscreen_{test}_action": action[test]}
    if variables["upstream_proxy_protocol"] != "none":
        settings["postscreen_upstream_proxy_protocol"] = variables["upstream_proxy_protocol"]
    return settings


def _services(*, proxied: bool) -> list[dict[str, Any]]:
    """POSTSCREEN_README, Turning on postscreen; one postscreen process only: it owns the cache."""
    smtpd: dict[str, Any] = {"name": "smtpd", "type": "pass", "command": "smtpd"}
    if proxied:
        # Whoever reaches the port can say to be 127.0.0.1, so that address must mean nothing here.
        smtpd["options"] = {"mynetworks": ""}
    return [
        {"name": "smtp", "type": "inet", "private": False, "maxproc": 1, "command": "postscreen"},
        smtpd,
        {"name": "dnsblog", "type": "unix", "maxproc": 0, "command": "dnsblog"},
        {"name": "tlsproxy", "type": "unix", "maxproc": 0, "command": "tlsproxy"},
    ]


def _access(allow: Iterable[Network], deny: Iterable[Network]) -> str:
    lines = [*_access_lines(allow, "permit"), *_access_lines(deny, "reject")]
    return "".join(f"{line}\n" for line in ["# Written by the Ansible role postern.mail.postscreen.", *lines] if lines)


def _access_lines(entries: Iterable[Network], result: str) -> Iterator[str]:
    for entry in entries:
        if entry.comment:
            yield f"# {' '.join(entry.comment.split())}"
        yield f"{entry.text}\t{result}"


def _replies(asked: Iterable[Site]) -> str:
    return "".join(f"{site}\t{domain}\n" for site, domain in sorted({(s.asked, s.domain) for s in asked if s.key}))


def _cache(variables: Mapping[str, Any]) -> dict[str, Value]:
    """The cache on this server, or the shared one, of which this server keeps a copy (memcache_table(5)).

    The copy answers while the shared cache is down, and outlives it. Its settings stand in main.cf, as postconf -n
    would look for a file of their own where it is not yet.
    """
    local = f"{variables['map_type']}:$data_directory/postscreen_cache"
    if not variables["cache_server"]:
        return {"postscreen_cache_map": local}
    return {
        "postscreen_cache_map": f"memcache:{_SHARED}",
        f"{_SHARED}_memcache": variables["cache_server"],
        f"{_SHARED}_backup": local,
        f"{_SHARED}_key_format": "postscreen:%s",
        f"{_SHARED}_ttl": min(_seconds(str(variables["greet_ttl"]), 86400), _LONGEST_TTL),
        f"{_SHARED}_timeout": 1,
        f"{_SHARED}_max_try": 1,
    }


# memcached takes a larger number for a time since 1970.
_LONGEST_TTL = 2592000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _seconds(text: str, default: int) -> int:
    number, unit = (text[:-1], text[-1]) if text[-1:].isalpha() else (text, "s")
    return int(number) * _UNITS[unit] if number.isdigit() and unit in _UNITS else default


def _questions(asked: Iterable[Site]) -> list[dict[str, Any]]:
    """Each list once, with all answers that count."""
    found: dict[str, dict[str, Any]] = {}
    for site in asked:
        alive = dnsbl_sites.known(site.domain)
        question = found.setdefault(
            site.asked,
            {
                "domain": site.domain,
                "key": site.key,
                "filters": [],
                "test_point": site.test_point,
                "errors": list(alive.errors) if alive else [],
                "limits": alive.limits if alive else "",
                "good": site.weight < 0,
            },
        )
        question["filters"] += [item for item in site.filters if item not in question["filters"]]
    return list(found.values())


def within(addresses: Iterable[str], data: Any) -> list[str]:
    """Those of the addresses that a network of the list holds; what is none is left out."""
    nets = [net for net in map(parse_network, (entry.text for entry in networks(data))) if net]
    found = [(text, parse_network(text)) for text in addresses]
    return [text for text, own in found if own and any(own.version == n.version and _holds(n, own) for n in nets)]


IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_network(text: str) -> IPNetwork | None:
    """A network or an address, or None; host bits are forgiven."""
    try:
        return ipaddress.ip_network(text.partition("%")[0], strict=False)
    except ValueError:
        return None


def _holds(outer: IPNetwork, inner: IPNetwork) -> bool:
    return outer.prefixlen <= inner.prefixlen and outer.network_address in (
        inner.network_address,
        inner.supernet(new_prefix=outer.prefixlen).network_address,
    )
