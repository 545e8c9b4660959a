# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""One Postfix, many contributors: what the role says, what other roles want of it, and what the user decides.

The user's word wins always. Between two roles nothing is guessed: a disagreement is an error that names both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.rich import normalise
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError, Service, Value, render_table

# Restrictions that answer for everybody who is still there: what comes after them never runs.
_FINAL = frozenset({"permit", "reject", "defer", "permit_sasl_authenticated"})

# Types that postmap(1) makes from the text form; all others are read as they are.
COMPILED_TYPES = frozenset({"lmdb", "cdb"})
_READ_AS_THEY_ARE = frozenset({"pcre", "regexp", "cidr"})
# Of a table or line that it cannot read postmap(1) warns, and goes on. Status 1 is: no match.
_READ = 'postmap -u -c "$0" -q postern "$2:$0/$1" >/dev/null; test $? -le 1'


@dataclass(frozen=True)
class Section:
    """A titled part of main.cf with the reason it is there.

    yields: a contribution may replace these settings, which are otherwise for the user alone to change.
    """

    title: str
    why: str = ""
    settings: Mapping[str, Value] = field(default_factory=dict)
    yields: bool = False


def _sequence(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _shown(value: Value) -> str:
    return "yes" if value is True else "no" if value is False else repr(value)


def _merge_settings(base: Iterable[Section], contributions: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Value]]:
    """Settings by contributor, in wiring order; lists that several give are joined under the first of them."""
    fixed = {name: value for section in base if not section.yields for name, value in section.settings.items()}
    owners: dict[str, str] = {}
    merged: dict[str, dict[str, Value]] = {}
    for contribution in contributions:
        who = str(contribution["name"])
        own = merged.setdefault(who, {})
        for name, value in (contribution.get("main_cf") or {}).items():
            if name in fixed:
                if fixed[name] != value:
                    raise PostfixError(
                        f"{who} wants {name} = {_shown(value)}, but the postfix role sets it to {_shown(fixed[name])}; "
                        f"only postfix_main_cf_extra may change that"
                    )
            elif name not in owners:
                owners[name], own[name] = who, value
            elif isinstance(value, list) and isinstance(merged[owners[name]][name], list):
                first = merged[owners[name]]
                first[name] = _sequence(first[name]) + [item for item in value if item not in _sequence(first[name])]
            elif merged[owners[name]][name] != value:
                theirs = _shown(merged[owners[name]][name])
                raise PostfixError(f"{name}: {owners[name]} wants {theirs}, {who} wants {_shown(value)}")
    return merged


def merge_main(
    base: Sequence[Section], contributions: Sequence[Mapping[str, Any]], extra: Mapping[str, Value]
) -> list[Section]:
    """The sections of main.cf: the role's own, one a contributor, the user's last; each parameter occurs once.

    :param contributions: mappings with name and, optionally, main_cf
    :param extra: the user's own settings; None removes a parameter, so that Postfix's own default holds
    :raises PostfixError: two contributors, or a contributor and the role, disagree about one parameter
    """
    merged = _merge_settings(base, contributions)
    replaced = {name for settings in merged.values() for name in settings}
    sections: list[Section] = []
    for section in base:
        gone = set(extra) | (replaced if section.yields else set())
        sections.append(Section(section.title, section.why, _without(section.settings, gone)))
    sections += [Section(f"Wanted by {who}", "", _without(own, set(extra))) for who, own in merged.items()]
    sections.append(Section("Your own settings", "postfix_main_cf_extra", _without(extra, set())))
    return [section for section in sections if section.settings]


def _without(settings: Mapping[str, Value], names: set[str]) -> dict[str, Value]:
    return {name: value for name, value in settings.items() if name not in names and value is not None}


def merge_services(
    base: Iterable[Mapping[str, Any]],
    contributions: Iterable[Mapping[str, Any]],
    extra: Iterable[Mapping[str, Any]],
) -> list[Service]:
    """The services of master.cf in order. A contribution may replace one of the role's, the user any; enabled: false
    removes a service.

    :raises PostfixError: two contributors want the same service differently, two services claim one port, or a service
        is not well-formed
    """
    services = {service.key: service for service in map(Service.from_data, base)}
    owners: dict[tuple[str, str], str] = {}
    for contribution in contributions:
        who = str(contribution["name"])
        for service in map(Service.from_data, contribution.get("services") or []):
            if service.key in owners and services[service.key] != service:
                raise PostfixError(
                    f"service {service.name}/{service.type}: {owners[service.key]} and {who} want it differently"
                )
            owners[service.key], services[service.key] = who, service
    services |= {service.key: service for service in map(Service.from_data, extra)}
    enabled = [service for service in services.values() if service.enabled]
    _one_service_a_port(enabled)
    return enabled


# RFC 6335's names of the ports that Postfix listens on; `25` and `smtp` are one, and master(8) dies of the second.
_PORTS = {"smtp": "25", "smtps": "465", "submissions": "465", "submission": "587", "qmqp": "628", "lmtp": "24"}


def _one_service_a_port(services: Iterable[Service]) -> None:
    claimed: dict[tuple[str, str], Service] = {}
    for service in services:
        if service.type == "inet":
            host, __, port = service.name.rpartition(":")
            first = claimed.setdefault((host, _PORTS.get(port, port)), service)
            if first is not service:
                raise PostfixError(f"services {first.name}/inet and {service.name}/inet claim one port")


def restriction_text(item: Any) -> str:
    """An element of a restriction list as main.cf has it: text stays as it is, a dictionary becomes text.

    :raises PostfixError: a dictionary that says no restriction
    """
    if isinstance(item, str):
        return item
    texts, problems = normalise([item])
    if problems:
        raise PostfixError("; ".join(str(problem) for problem in problems))
    return " ".join(texts)


def merge_restrictions(
    base: Mapping[str, Sequence[Any]],
    contributions: Iterable[Mapping[str, Any]],
    key: str,
    stands_for: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, list[str]]:
    """The restriction lists with what contributors add, in wiring order.

    Additions go before the elements at the end of a list that decide for everybody (permit_sasl_authenticated, reject
    and the like), and after everything else: a policy server is asked only about mail that would be accepted.

    :param base: elements, text or dictionaries, by list: client, helo, sender, relay, recipient, data, end_of_data
    :param key: which of a contribution's entries: restrictions (port 25) or submission_restrictions
    :param stands_for: elements in whose place others are written, or none, such as the names of access variables
    :raises PostfixError: a contributor adds to a list that does not exist
    """
    lists = {name: [restriction_text(item) for item in elements] for name, elements in base.items()}
    for contribution in contributions:
        for name, elements in (contribution.get(key) or {}).items():
            if not elements:
                continue
            if name not in lists:
                raise PostfixError(f"{contribution['name']}: {key} has no list {name!r}; there is {', '.join(lists)}")
            own = len(base[name])
            while own and base[name][own - 1] in _FINAL:
                own -= 1
            tail = len(base[name]) - own
            position = len(lists[name]) - tail
            lists[name][position:position] = [restriction_text(item) for item in elements]
    return {name: _put_in(elements, stands_for or {}) for name, elements in lists.items()}


def _put_in(elements: Iterable[str], stands_for: Mapping[str, Sequence[str]]) -> list[str]:
    return [text for element in elements for text in stands_for.get(element, [element])]


def table_files(
    tables: Mapping[str, Mapping[str, Any]], contributions: Iterable[Mapping[str, Any]], map_type: str
) -> dict[str, list[Any]]:
    """What config_tree needs to write, compile and prove lookup tables.

    :param tables: entries by name, compiled as map_type in maps/
    :param contributions: their maps have path and type, and entries (compiled) or content (as it is); secret: true
        keeps one from everybody but root, so it must be of a type that is read before privileges are dropped
    :returns: files, maps and proofs (a command each that reads the compiled table)
    :raises PostfixError: an entry that a table cannot hold, a path twice, a map without entries and content
    """
    sources = {f"maps/{name}": (map_type, render_table(entries)) for name, entries in tables.items()}
    secret: set[str] = set()
    for contribution in contributions:
        for item in contribution.get("maps") or []:
            path, who = str(item["path"]), f"map {item['path']} of {contribution['name']}"
            if path in sources:
                raise PostfixError(f"{who}: there is one already")
            entries, content = item.get("entries"), item.get("content")
            if (entries is None) == (content is None):
                raise PostfixError(f"{who}: give either entries or content")
            text = str(content) if entries is None else render_table(entries)
            sources[path] = (str(item.get("type") or map_type), text)
            secret |= {path} if item.get("secret") else set()
    compiled = {path: kind for path, (kind, _text) in sources.items() if kind in COMPILED_TYPES}
    proofs: list[Any] = [f"postmap -c {{tree}} -s {kind}:{{tree}}/{path}" for path, kind in compiled.items()]
    for path, (kind, _text) in sources.items():
        if kind in _READ_AS_THEY_ARE:
            proofs.append({"command": ["sh", "-c", _READ, "{tree}", path, kind], "silent": True})
    return {
        "files": [
            {"path": path, "content": text} | ({"secret": True} if path in secret else {})
            for path, (_kind, text) in sources.items()
        ],
        "maps": [{"source": path, "type": kind} for path, kind in compiled.items()],
        "proofs": proofs,
    }
