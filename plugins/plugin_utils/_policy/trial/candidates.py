# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a stranger can say to a server: values of each attribute of a session that the policy might react to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup import matchlist
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import is_address, is_hostname
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import TableError, Tables
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import (
    DnsData,
    Element,
    Kind,
    PolicyError,
    Service,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import tokens
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial.samples import Sample, samples

LISTS = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
)
STRANGERS = ("198.51.100.77", "203.0.113.77", "192.0.2.77", "100.64.77.77", "44.77.77.77", "2001:db8:77::77")
"""Addresses of nobody, in the order of preference (RFC 5737, 3849)."""
FOREIGN = ("elsewhere.example", "elsewhere.test", "far-away.example.net")
STRANGER_DOMAIN = "stranger.example"
PER_TABLE = 24
"""Values of one table: those with the same result and the same form are alike."""
PER_POOL = 60


@dataclass(frozen=True, slots=True)
class Client:
    """:param name: verified name, or ``unknown``"""

    addr: str
    name: str = "unknown"
    reverse: str | None = None


@dataclass
class Pools:
    """Values to try, the plainest first."""

    clients: list[Client] = field(default_factory=list)
    helos: list[str | None] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    endpoints: list[str] = field(default_factory=list)
    allow_lists: list[tuple[str, str, str]] = field(default_factory=list)
    """Kind of question (address, domain), domain, an answer that counts."""
    mx_backup: bool = False
    below_top_level: frozenset[str] = frozenset()
    """Recipients in domains that are this server's only because it claims all of com, org ..."""
    looked_into: set[tuple[str, str]] = field(default_factory=set)


def pools(settings: Settings, tables: Tables) -> Pools:
    """All values that the policy of one service suggests."""
    found = Pools()
    base = stranger(settings, tables)
    found.clients = [Client(base), Client(base, f"client.{STRANGER_DOMAIN}", f"client.{STRANGER_DOMAIN}")]
    found.helos = [STRANGER_DOMAIN, None, base, f"[{'IPv6:' if ':' in base else ''}{base}]"]
    found.senders = [f"someone@{STRANGER_DOMAIN}", ""]
    foreign = foreign_domain(settings)
    found.recipients = [f"someone@{foreign}"]
    ours = own_domain(settings, tables)
    if ours:
        found.senders.append(f"someone@{ours}")
    for element, name in elements(settings):
        _add(found, settings, tables, element, name)
    for reference in references(settings, "mynetworks"):
        _add_clients(found, settings, tables, reference)
    for word in words(settings, "mynetworks"):
        name = word.lstrip(".").lower()
        if is_hostname(name):
            found.clients += [Client(base, name, name), Client(base, f"x.{name}", f"x.{name}")]
    found.recipients += shapes(foreign, ours, domain_of(settings, tables, "relay_domains"))
    found.below_top_level = frozenset(f"someone@elsewhere.{label}" for label in _top_levels(settings))
    found.recipients += sorted(found.below_top_level)
    found.clients = list(dict.fromkeys(found.clients))[:PER_POOL]
    found.helos = list(dict.fromkeys(found.helos))[:PER_POOL]
    found.senders = list(dict.fromkeys(found.senders))[:PER_POOL]
    found.recipients = list(dict.fromkeys(found.recipients))[:PER_POOL]
    return found


def is_loopback(service: Service) -> bool:
    """Whether the service listens to this machine alone."""
    host = service.name.rpartition(":")[0].strip("[]").lower()
    return host.startswith("127.") or host in {"localhost", "::1"}


def stranger(settings: Settings, tables: Tables) -> str:
    """An address outside mynetworks; the first of all when there is none."""
    return next((address for address in STRANGERS if not is_own(settings, tables, address)), STRANGERS[0])


def is_own(settings: Settings, tables: Tables, address: str) -> bool:
    try:
        return bool(matchlist.match(settings, tables, "mynetworks", "host", "unknown", address))
    except (PolicyError, TableError):
        return False


def foreign_domain(settings: Settings) -> str:
    """A domain that no domain list names in so many words."""
    named = {word.lower() for parameter in _DOMAIN_LISTS for word in words(settings, parameter)}
    return next((domain for domain in FOREIGN if domain not in named), FOREIGN[0])


_DOMAIN_LISTS = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")


def own_domain(settings: Settings, tables: Tables) -> str:
    """A domain that the policy calls its own; empty when none can be told."""
    for parameter in _DOMAIN_LISTS:
        if domain := domain_of(settings, tables, parameter):
            return domain
    return ""


def domain_of(settings: Settings, tables: Tables, parameter: str) -> str:
    for word in words(settings, parameter):
        if ":" in word and not word.startswith("["):
            keys = (sample.key for sample in _samples(tables, word) if not sample.pattern)
            domain = next((key for key in keys if is_hostname(key) and "." in key), "")
        else:
            domain = word if is_hostname(word) and "." in word and not word.startswith("localhost.") else ""
        if domain:
            return domain.lower()
    return ""


def shapes(foreign: str, ours: str, relayed: str) -> Iterator[str]:
    """Addresses that lead elsewhere by a detour (RFC 5321 and older routes)."""
    yield f"{foreign}!someone"
    for domain in dict.fromkeys((ours, relayed)):
        if domain:
            yield f"someone%{foreign}@{domain}"
            yield f'"someone@{foreign}"@{domain}'
            yield f"someone@{foreign}@{domain}"
            yield f"@{domain}:someone@{foreign}"
            yield f"{foreign}!someone@{domain}"


def _top_levels(settings: Settings) -> list[str]:
    """Single labels in relay_domains: with parent domains matching, all domains below."""
    if not settings.is_set("relay_domains"):
        return []
    labels = [word for word in words(settings, "relay_domains") if is_hostname(word) and "." not in word]
    return [label for label in labels if label.lower() != "localhost"][:3]


def words(settings: Settings, parameter: str) -> list[str]:
    try:
        return list(tokens(settings[parameter]))
    except PolicyError:
        return []


def references(settings: Settings, parameter: str) -> Iterator[str]:
    for word in words(settings, parameter):
        bare = word.lstrip("!")
        if ":" in bare and not bare.startswith("["):
            yield bare


def elements(settings: Settings) -> Iterator[tuple[Element, str]]:
    """Every element of every list and class, with the list or class it stands in.

    Of the built-in classes only those that are used; one's own may be used by the result of a table.
    """
    try:
        classes = settings.classes
        own = settings.class_names
    except PolicyError:
        classes, own = {}, ()
    waiting: list[tuple[Element, str]] = []
    for name in LISTS:
        try:
            waiting += [(element, name) for element in settings.elements(name)]
        except PolicyError:
            continue
    waiting += [(element, name) for name in own for element in classes.get(name, ())]
    looked_into: set[str] = set(own)
    for element, name in waiting:
        yield element, name
        if element.kind is Kind.CLASS and element.name not in looked_into:
            looked_into.add(element.name)
            waiting += [(inner, element.name) for inner in classes.get(element.name, ())]


_KEYED_BY = {
    "check_client_access": "client",
    "check_reverse_client_hostname_access": "reverse",
    "check_helo_access": "helo",
    "check_sender_access": "sender",
    "check_recipient_access": "recipient",
}


def _add(found: Pools, settings: Settings, tables: Tables, element: Element, name: str) -> None:
    word = element.name.lower()
    if element.kind is Kind.TABLE:
        list_name = name.removeprefix("smtpd_").removesuffix("_restrictions")
        subject = {"client": "client", "helo": "helo", "sender": "sender"}.get(list_name, "recipient")
        _add_table(found, settings, tables, element.name, subject)
        if name not in LISTS:
            for subject in ("client", "helo", "sender"):
                _add_table(found, settings, tables, element.name, subject)
    elif word == "permit_mx_backup":
        found.mx_backup = True
    elif element.argument is None:
        return
    elif word in _KEYED_BY:
        _add_table(found, settings, tables, element.argument.text, _KEYED_BY[word])
    elif word == "check_policy_service":
        endpoint = next(iter(tokens(element.argument.text)), "")
        if endpoint and endpoint not in found.endpoints and endpoint not in tables.tables:
            found.endpoints.append(endpoint)
    elif word in {"permit_dnswl_client", "permit_rhswl_client"}:
        domain, _equals, answer = element.argument.text.partition("=")
        found.allow_lists.append(
            ("address" if word == "permit_dnswl_client" else "domain", domain, filter_answer(answer))
        )


def filter_answer(pattern: str) -> str:
    """An address that a return-code filter lets count: ``127.0.[2..5].[1;3]`` gives 127.0.2.1."""
    octets = []
    for part in pattern.replace("..", "-").split(".") if pattern else ():
        octets.append(part.strip("[]").split(";")[0].split("-")[0])
    return ".".join(octets) if len(octets) == 4 else "127.0.0.2"


def _samples(tables: Tables, reference: str) -> list[Sample]:
    """Samples that differ: of those with one result and one form the first."""
    seen: dict[tuple[str, bool, bool, int], Sample] = {}
    try:
        for number, sample in enumerate(samples(tables, reference)):
            if number > 20_000 or len(seen) >= 4 * PER_TABLE:
                break
            form = (sample.result.lower(), is_address(sample.key), "@" in sample.key, sample.key.count("."))
            if sample.pattern:
                form = (*form[:3], number)
            seen.setdefault(form, sample)
    except (TableError, PolicyError):
        return []
    return sorted(seen.values(), key=lambda sample: _refuses(sample.result))[:PER_TABLE]


def _refuses(result: str) -> bool:
    word = result.strip().lower()
    return word.startswith(("reject", "defer", "dunno", "4", "5", "hold", "discard", "warn", "info"))


def _add_table(found: Pools, settings: Settings, tables: Tables, reference: str, subject: str) -> None:
    if ":" not in reference or (reference, subject) in found.looked_into:
        return
    found.looked_into.add((reference, subject))
    if subject in {"client", "reverse"}:
        _add_clients(found, settings, tables, reference)
        return
    pool, values = {
        "helo": (found.helos, _helos),
        "sender": (found.senders, _mail_addresses),
        "recipient": (found.recipients, _mail_addresses),
    }[subject]
    for sample in _samples(tables, reference):
        pool.extend(_proved(tables, reference, sample, values(sample)))  # type: ignore[attr-defined]


def _proved(tables: Tables, reference: str, sample: Sample, values: Iterable[str]) -> list[str]:
    """Of values around a made-up text the ones that the table answers; values of real keys as they are."""
    if not sample.pattern:
        return list(values)
    kept = []
    for value in values:
        try:
            if tables.open(reference).lookup(value) is not None:
                kept.append(value)
        except TableError:
            return []
    return kept[:2]


def _helos(sample: Sample) -> Iterator[str]:
    yield sample.key.strip(".") or STRANGER_DOMAIN
    if sample.pattern:
        yield from (f"{sample.key.strip('.')}.{STRANGER_DOMAIN}", f"x{sample.key}", f"x{sample.key}x")
    else:
        yield f"x.{sample.key.strip('.')}"


def _mail_addresses(sample: Sample) -> Iterator[str]:
    key = sample.key
    if key == "<>":
        yield ""
    elif sample.pattern:
        around = (f"someone{key}", f"someone@{key.lstrip('@.')}", f"{key}@{STRANGER_DOMAIN}", f"{key}{STRANGER_DOMAIN}")
        yield from (value for value in (key, *around) if value.count("@") == 1 and not value.endswith("@"))
    elif key.endswith("@"):
        yield f"{key}{STRANGER_DOMAIN}"
    elif "@" in key:
        yield key
    else:
        yield f"someone@{key.lstrip('.')}"
        yield f"someone@x.{key.lstrip('.')}"


def _add_clients(found: Pools, settings: Settings, tables: Tables, reference: str) -> None:
    base = found.clients[0].addr
    for sample in _samples(tables, reference):
        for client in _clients(sample, base):
            if client.name == "unknown" and client.reverse is None:
                asked = client.addr
            else:
                asked = client.reverse or client.name
            if _proved(tables, reference, sample, [asked]) and not is_own(settings, tables, client.addr):
                found.clients.append(client)


def _clients(sample: Sample, base: str) -> Iterator[Client]:
    key = sample.key
    name = key.lstrip(".")
    if is_address(key):
        yield Client(key)
    elif sample.pattern:
        names = (key, f"{key}.{STRANGER_DOMAIN}", f"x{key}", f"x{key}x")
        yield from (Client(base, each, each) for each in names if is_hostname(each))
        yield Client(base)
        yield Client(base, "unknown", "unknown")
    elif _is_part(key):
        if is_address(address := _completed(key)):
            yield Client(address)
    elif key == "unknown":
        yield Client(base, "unknown", "unknown")
    elif is_hostname(name):
        yield Client(base, name, name)
        yield Client(base, f"x.{name}", f"x.{name}")
        yield Client(base, "unknown", name)


def _is_part(key: str) -> bool:
    """``192.0.2`` or ``2001:db8``: the beginning of addresses."""
    return key.replace(".", "").isdigit() or (":" in key and "@" not in key)


def _completed(key: str) -> str:
    """An address that begins so; the key itself when there is none."""
    octets = key.strip(".").split(".")
    four = ".".join([*octets, *["77"] * (4 - len(octets))])
    return next((address for address in (four, f"{key}::77", f"{key}:77") if is_address(address)), key)


def zone(
    names: Iterable[str],
    addr: str,
    allow_lists: Iterable[tuple[str, str, str]],
    backup_for: str,
    us: tuple[str, str],
) -> DnsData:
    """A DNS in which a stranger has everything in order.

    :param names: host and domain names of the session: they exist and take mail
    :param addr: the client's address, which its name leads to
    :param allow_lists: that list the client
    :param backup_for: domain whose MX is this server; empty for none
    :param us: name and address of this server
    """
    data: dict[str, dict[str, list[str]]] = {}
    record = "AAAA" if ":" in addr else "A"
    for name in names:
        if is_hostname(name) and name != "unknown":
            data[name.lower()] = {"A": ["198.51.100.77"], "MX": [f"10 mx.{name}"], record: [addr]}
            data[f"mx.{name.lower()}"] = {"A": ["198.51.100.78"]}
    for kind, domain, answer in allow_lists:
        if kind == "address":
            reverse = ipaddress.ip_address(addr).reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
            data[f"{reverse}.{domain}"] = {"A": [answer]}
        else:
            data |= {f"{name.lower()}.{domain}": {"A": [answer]} for name in names if is_hostname(name)}
    if backup_for:
        host, our_address = us
        data[backup_for] = {"MX": [f"10 mx.{backup_for}", f"20 {host}"], "A": ["198.51.100.79"]}
        data.setdefault(host.lower(), {"AAAA" if ":" in our_address else "A": [our_address]})
    return data
