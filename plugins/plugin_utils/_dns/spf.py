# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SPF records (RFC 7208): their syntax, and what they cost those who evaluate them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import canonical_name

MAX_LOOKUPS = 10  # section 4.6.4
MAX_VOID_LOOKUPS = 2  # section 4.6.4
MAX_HOSTS_OF_MX = 10  # section 4.6.4
# Section 3.4: an answer with its question should fit into 512 octets.
LONG = 450

_LOOKUPS = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
_WITH_DOMAIN = frozenset({"include", "exists", "redirect", "exp"})
_ADDRESSES = {"ip4": 4, "ip6": 6}
_TERM = re.compile(r"([+\-~?]?)([a-z][a-z0-9_.-]*)(?:([:=])(.*?))?((?:/\d+)?(?://\d+)?)", re.ASCII | re.IGNORECASE)
_DOMAIN = re.compile(r"(?:[!-~]*\.)?(?:[a-z0-9_-]+\.?|%\{[a-z][0-9]*r?[.+,/_=-]*\})", re.ASCII | re.IGNORECASE)


class SpfError(ValueError):
    """A record that receivers answer with permerror; the text says why."""


class Term(NamedTuple):
    qualifier: str
    name: str
    value: str
    prefix: str

    @property
    def has_macro(self) -> bool:
        return "%" in self.value


class Answer(NamedTuple):
    """What DNS said: values, or why there are none."""

    status: Literal["found", "empty", "nxdomain", "failed", "unknown"]
    values: tuple[str, ...] = ()


Ask = Callable[[str, str], Answer]


def parse(text: str) -> list[Term]:
    """:raises SpfError: what is wrong with it"""
    words = text.split(" ")
    if words[0].lower() != "v=spf1":
        raise SpfError("it does not begin with v=spf1")
    terms = [_parse_term(word) for word in words[1:] if word]
    for name in ("redirect", "exp"):
        if sum(term.name == name for term in terms) > 1:
            raise SpfError(f"{name}= occurs twice (RFC 7208 6)")
    return terms


def _parse_term(word: str) -> Term:
    match = _TERM.fullmatch(word)
    if not match:
        raise SpfError(f'"{word}" is no mechanism')
    qualifier, name, separator, value, prefix = match.groups(default="")
    name = name.lower()
    known = {"all", "include", "a", "mx", "ptr", "exists", *_ADDRESSES}
    if separator == "=":
        if qualifier:
            raise SpfError(f'"{word}" is a modifier, and has no qualifier')
        if name in known:
            raise SpfError(f'"{word}" must be written with a colon: {name}:{value}')
        if name in ("redirect", "exp"):
            _check_domain(word, value + prefix)
        return Term("", name, value + prefix, "")
    if name not in known:
        raise SpfError(f'"{word}" is no mechanism')
    if name in _ADDRESSES:
        _check_network(word, name, value + prefix)
        return Term(qualifier or "+", name, value + prefix, "")
    if separator and not value:
        raise SpfError(f'"{word}" has nothing after the colon')
    if name == "all" and (value or prefix):
        raise SpfError(f'"{word}": all takes nothing')
    if name in _WITH_DOMAIN or value:
        _check_domain(word, value)
    if prefix and name not in ("a", "mx"):
        raise SpfError(f'"{word}" takes no prefix length')
    return Term(qualifier or "+", name, value, prefix)


def _check_domain(word: str, domain: str) -> None:
    if not domain:
        raise SpfError(f'"{word}" needs a domain')
    if not _DOMAIN.fullmatch(domain) or ("." not in domain and "%" not in domain):
        raise SpfError(f'"{word}": {domain} is no domain')


def _check_network(word: str, name: str, network: str) -> None:
    try:
        parsed = ipaddress.ip_network(network, strict=False)
    except ValueError as error:
        raise SpfError(f'"{word}" is no network') from error
    if parsed.version != _ADDRESSES[name]:
        raise SpfError(f'"{word}" has an address of the other kind: write ip{parsed.version}:{network}')


def mechanism_problem(word: str) -> str:
    """Why a word cannot stand between v=spf1 and all, or an empty text."""
    if not word or re.search(r"\s", word):
        return "one mechanism a list element, without spaces"
    try:
        term = _parse_term(word)
    except SpfError as error:
        return str(error)
    if term.name == "all":
        return "all ends the record, and has a variable of its own"
    if term.name == "ptr":
        return "ptr is slow, unreliable, and not to be used (RFC 7208 5.5)"
    if term.name in ("redirect", "exp"):
        return f"{term.name}= has no place in a record that ends with all"
    if term.name in _ADDRESSES:
        interface = ipaddress.ip_interface(term.value)
        if interface.ip != interface.network.network_address:
            return f"it has host bits set: write {term.name}:{interface.network}"
        if interface.network.prefixlen < 8 and term.qualifier == "+":
            return "so large a network is nearly everybody"
    return ""


def is_spf(text: str) -> bool:
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


@dataclass
class Cost:
    """What the evaluation of a record costs at most, when no mechanism matches before the end.

    :param lookups: terms that ask DNS, those of included records as well
    :param void: names asked that do not exist or have nothing
    :param path: what was asked, in order, as people read it
    :param unknown: domains nobody could be asked about
    :param wrong: why receivers answer permerror
    :param failed: names whose answer did not come
    """

    lookups: int = 0
    void: list[str] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def cost(domain: str, text: str, ask: Ask) -> Cost:
    """:param ask: answers a name and type (TXT, A, AAAA or MX)"""
    total = Cost()
    _walk(canonical_name(domain), text, ask, total, (canonical_name(domain),))
    return total


def _walk(domain: str, text: str, ask: Ask, total: Cost, chain: tuple[str, ...]) -> None:
    try:
        terms = parse(text)
    except SpfError as error:
        total.wrong.append(f"{domain}: {error}")
        return
    for term in _effective(terms):
        if term.name not in _LOOKUPS:
            continue
        total.lookups += 1
        target = canonical_name(term.value) or domain
        total.path.append(f"{'  ' * (len(chain) - 1)}{term.name} {target}")
        if term.has_macro or term.name in ("ptr", "exists"):
            continue
        if term.name in ("include", "redirect"):
            _descend(target, ask, total, chain)
        else:
            _addresses(term, target, ask, total)


def _effective(terms: list[Term]) -> Iterator[Term]:
    """Terms that can be reached: nothing after ``all``, and no redirect beside it (RFC 7208 6.1)."""
    has_all = any(term.name == "all" for term in terms)
    for term in terms:
        if term.name == "all":
            return
        if term.name != "redirect" or not has_all:
            yield term


def _descend(target: str, ask: Ask, total: Cost, chain: tuple[str, ...]) -> None:
    if target in chain:
        total.wrong.append(f"it includes itself: {' -> '.join((*chain, target))}")
        return
    answer = ask(target, "TXT")
    if answer.status == "unknown":
        total.unknown.append(target)
        return
    if answer.status == "failed":
        total.failed.append(target)
        return
    found = [text for text in answer.values if is_spf(text)]
    if not answer.values:
        total.void.append(target)
    if len(found) != 1:
        what = "has no SPF record" if not found else f"has {len(found)} SPF records"
        total.wrong.append(f"{target}, which it includes, {what} (permerror, RFC 7208 5.2)")
        return
    if len(chain) > MAX_LOOKUPS:  # far beyond what is evaluated
        return
    _walk(target, found[0], ask, total, (*chain, target))


def _addresses(term: Term, target: str, ask: Ask, total: Cost) -> None:
    if term.name == "mx":
        answer = ask(target, "MX")
        if answer.status == "found" and len(answer.values) > MAX_HOSTS_OF_MX:
            total.wrong.append(f"{target} has {len(answer.values)} MX hosts, and mx allows {MAX_HOSTS_OF_MX}")
        answers = [answer]
    else:
        answers = [ask(target, kind) for kind in ("A", "AAAA")]
    if all(answer.status in ("empty", "nxdomain") for answer in answers):
        total.void.append(f"{term.name} {target}")
    if any(answer.status == "failed" for answer in answers):
        total.failed.append(target)


def allows(address: str, domain: str, text: str, ask: Ask) -> bool | None:
    """Whether a record passes an address; None where a macro or an answer that did not come decides."""
    return _allows(ipaddress.ip_address(address), canonical_name(domain), text, ask, MAX_LOOKUPS)


def _allows(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, domain: str, text: str, ask: Ask, depth: int
) -> bool | None:
    try:
        terms = parse(text)
    except SpfError:
        return False
    for term in _effective(terms):
        matches = _matches(address, term, domain, ask, depth)
        if matches is None:
            return None
        if matches:
            return term.qualifier in ("+", "")
    end = [term for term in terms if term.name == "all"]
    return bool(end) and end[0].qualifier == "+"


def _matches(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, term: Term, domain: str, ask: Ask, depth: int
) -> bool | None:
    if term.name in _ADDRESSES:
        return address in ipaddress.ip_network(term.value, strict=False)
    if term.has_macro or term.name in ("ptr", "exists"):
        return None
    target = canonical_name(term.value) or domain
    if term.name in ("include", "redirect"):
        answer = ask(target, "TXT")
        texts = [each for each in answer.values if is_spf(each)]
        if answer.status in ("failed", "unknown") or depth <= 0:
            return None
        return _allows(address, target, texts[0], ask, depth - 1) if len(texts) == 1 else False
    if term.name not in ("a", "mx"):
        return False
    hosts = [target]
    if term.name == "mx":
        found = ask(target, "MX")
        if found.status in ("failed", "unknown"):
            return None
        hosts = [canonical_name(value.partition(" ")[2]) for value in found.values]
    answers = [ask(host, "A" if address.version == 4 else "AAAA") for host in hosts]
    values = [value for each in answers for value in each.values]
    prefix = _prefix(term.prefix, address)
    if any(address in ipaddress.ip_network(f"{value}{prefix}", strict=False) for value in values):
        return True
    return None if any(each.status in ("failed", "unknown") for each in answers) else False


def _prefix(prefix: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """``/24//64``: the first is for IPv4, the second for IPv6 (RFC 7208 5.6)."""
    four, _both, six = prefix.partition("//")
    return four if address.version == 4 else f"/{six}" if six else ""
