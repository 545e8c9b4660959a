# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup tables, list elements, parameters and proofs that typed access rules and content checks become."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._content import access, checks
from ansible_collections.postern.mail.plugins.plugin_utils._content.access_keys import key_faults
from ansible_collections.postern.mail.plugins.plugin_utils._content.faults import Fault
from ansible_collections.postern.mail.plugins.plugin_utils._content.patterns import compiled
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError

_HEAD = "# Written by the Ansible role postern.mail.postfix; changes made here are overwritten."
_DIRECTORY = "$maps_directory"
FOOTERS = "reply_footers"
OWN_SENDERS = "postfix_own_domain_senders_from"
# The whole table must answer what the rule says: no rule before it may take the sample.
_ANSWER = (
    'found=$(postmap -u -c "$0" -q "$2" "pcre:$0/maps/$1"); test "$found" = "$3" || '
    "{ echo \"$4: the sample '$2' is answered '$found' instead of '$3'\" >&2; exit 1; }"
)
# The rule alone, in a file of its own.
_ALONE = (
    'file=$(mktemp) && printf "%s\\n" "$1" >"$file" && found=$(postmap -u -c "$0" -q "$2" "pcre:$file"); '
    'rm -f "$file"; test "${found:+match}" = "$3" || '
    "{ echo \"$4: the sample '$2' is answered '$found'\" >&2; exit 1; }"
)

Map = dict[str, Any]


def access_tables(rules: Mapping[str, Any], map_type: str) -> dict[str, Any]:
    """:param rules: value by variable, such as postfix_client_access

    :returns: maps; lists: what the variable's name stands for in a restriction list; footers; proofs: commands for
        config_tree
    :raises PostfixError: an entry that cannot be written
    """
    maps: list[Map] = []
    lists: dict[str, list[str]] = {}
    footers: list[str] = []
    proofs: list[Any] = []
    for variable, stage in access.VARIABLES.items():
        entries = access.entries(stage, rules.get(variable))
        _refuse(variable, ((each.place, each.faults()) for each in entries))
        lists[variable] = []
        for end, kind in dict.fromkeys(access.TABLES.values()):
            mine = [entry for entry in entries if access.TABLES[entry.kind] == (end, kind)]
            if mine:
                name = f"{stage}_{end}"
                maps.append(_indexed(name, mine) if not kind else _plain(name, kind, [each.line for each in mine]))
                lists[variable].append(f"check_{stage}_access {kind or map_type}:{_DIRECTORY}/{name}")
        footers += access.footers(entries)
        proofs += transports((each.action, each.text) for each in entries)
    return {"maps": maps, "lists": lists, "footers": footers, "proofs": proofs}


def transports(actions: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """A proof for each transport that FILTER names: mail for one that master.cf lacks waits for days."""
    names = dict.fromkeys(text.partition(":")[0] for action, text in actions if action == "FILTER")
    # Of a service that there is not postconf warns, and exits 0.
    return [{"command": ["postconf", "-c", "{tree}", "-M", f"{name}/unix"], "silent": True} for name in names]


def _indexed(name: str, entries: Sequence[access.Entry]) -> Map:
    table: dict[str, str] = {}
    for entry in entries:
        for key in entry.keys:
            table.setdefault(key, entry.result)
    return {"path": f"maps/{name}", "entries": table}


def _plain(name: str, kind: str, lines: Iterable[str]) -> Map:
    return {"path": f"maps/{name}", "type": kind, "content": "\n".join([_HEAD, *lines]) + "\n"}


def check_tables(rules: Mapping[str, Any], generated: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """:param rules: value by variable, such as postfix_header_checks
    :param generated: lines that others make, with table, line, comment and footer; they stand behind the rules

    :returns: maps; parameters: what main.cf says, all five or none; footers; proofs: commands for config_tree
    :raises PostfixError: a rule that cannot be written
    """
    maps: list[Map] = []
    parameters: dict[str, str] = {}
    footers: list[str] = []
    proofs: list[Any] = []
    for variable, table in checks.VARIABLES.items():
        mine = checks.checks(table, rules.get(variable))
        _refuse(variable, ((each.place, each.faults()) for each in mine))
        lines = [line for each in mine for line in each.lines] + _generated(table, generated)
        parameters[table] = f"pcre:{_DIRECTORY}/{table}" if lines else ""
        if lines:
            maps.append(_plain(table, "pcre", lines))
            proofs += _samples(table, mine)
        proofs += transports((each.action, each.text) for each in mine)
        footers += [each.footer for each in mine if each.footer]
    # One rule may have several lines, each with the same reply.
    footers += dict.fromkeys(str(each["footer"]) for each in generated if each.get("footer"))
    return {"maps": maps, "parameters": parameters if maps else {}, "footers": footers, "proofs": proofs}


def _generated(table: str, generated: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        line for each in generated if each["table"] == table for line in (f"# {each['comment']}", str(each["line"]))
    ]


def footer_map(footers: Iterable[str]) -> list[Map]:
    lines = list(footers)
    return [_plain(FOOTERS, "pcre", lines)] if lines else []


def _samples(table: str, mine: Sequence[checks.Check]) -> list[Any]:
    """What the rules say of their own samples, asked of the library that will be asked."""
    proofs: list[Any] = []
    for each in mine:
        rules, sure = compiled([each.line])
        for sample in each.samples("match"):
            said = rules.lookup(sample) if sure else None
            proof = [_ANSWER, "{tree}", table, sample, said] if said else [_ALONE, "{tree}", each.line, sample, "match"]
            proofs.append(["sh", "-c", *proof, each.name])
        proofs += [["sh", "-c", _ALONE, "{tree}", each.line, sample, "", each.name] for sample in each.samples("pass")]
    return proofs


def asked_of_strangers(check: str, name: str, allowed: Sequence[str]) -> dict[str, Any]:
    """A check that some clients are not asked. Nobody is permitted anything, so all other checks are made of them too.

    :param check: the restriction, such as ``check_sender_access lmdb:$maps_directory/own_domains``
    :param name: of the tables and classes that are made
    :param allowed: networks, and names that reverse and forward DNS agree on; .example.org for all below it
    :returns: maps; classes; elements: what stands in place of the check
    :raises PostfixError: one of them is neither
    """
    told = [f"{OWN_SENDERS}[{place}]: {fault.reason}" for place, fault in sender_faults(allowed)]
    if told:
        raise PostfixError("; ".join(told))
    networks = [each for each in allowed if is_network(each)]
    hosts = [each.lower() for each in allowed if not is_network(each)]
    if not allowed:
        return {"maps": [], "classes": {}, "elements": [check]}
    strangers, others = f"{name}_strangers", f"{name}_others"
    classes = {strangers: [check]}
    maps: list[Map] = []
    if hosts:
        # Asked for the name first, then for the address: whoever has none of these names is a stranger.
        lines = [f"/^{'.+' if host.startswith('.') else ''}{re.escape(host)}$/ DUNNO" for host in hosts]
        maps.append(_plain(f"{name}_hosts", "regexp", [*lines, f"/^[0-9.]+$|:/ {strangers}"]))
        classes[others] = [f"check_client_access regexp:{_DIRECTORY}/{name}_hosts"]
    rest = others if hosts else strangers
    lines = [*(f"{network} DUNNO" for network in networks), f"0.0.0.0/0 {rest}", f"::/0 {rest}"]
    maps.append(_plain(f"{name}_networks", "cidr", lines))
    return {"maps": maps, "classes": classes, "elements": [f"check_client_access cidr:{_DIRECTORY}/{name}_networks"]}


def is_network(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9./]+|[0-9A-Fa-f:./\[\]]*:[0-9A-Fa-f:./\[\]]*", text))


def sender_faults(allowed: Iterable[str]) -> Iterator[tuple[int, Fault]]:
    for place, each in enumerate(allowed):
        kind = "network" if is_network(each) else "domain"
        yield from ((place, fault) for fault in key_faults("client", kind, each))


def _refuse(variable: str, entries: Iterable[tuple[int, Iterable[Any]]]) -> None:
    told = [f"{variable}[{place}]{fault}" for place, faults in entries for fault in faults if not fault.is_warning]
    if told:
        raise PostfixError("; ".join(told))
