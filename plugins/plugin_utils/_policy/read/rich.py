# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restriction lists as people write them in YAML -> one restriction with its argument an element, as main.cf has it.

An item is text, or a mapping: ``name``, what the restriction takes (``table``, ``domain`` and ``filter``, ``service``
and its settings, ``seconds``), and ``warn`` for ``warn_if_reject``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import did_you_mean, listed, shown
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data import catalogue
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import Argument, Restriction
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import words

# Settings of one policy service, after attr_override in smtpd_check.c:policy_client_register.
_SERVICE_SETTINGS = (
    "timeout",
    "max_idle",
    "max_ttl",
    "request_limit",
    "retry_delay",
    "try_limit",
    "default_action",
    "policy_context",
)
_KEYS: Mapping[Argument, tuple[str, tuple[str, ...]]] = {
    Argument.NONE: ("", ()),
    Argument.RESTRICTION: ("", ()),
    Argument.TABLE: ("table", ("search_order",)),
    Argument.DOMAIN: ("domain", ("filter",)),
    Argument.POLICY_SERVICE: ("service", _SERVICE_SETTINGS),
    Argument.SECONDS: ("seconds", ()),
}
_EXAMPLES = {
    "table": "lmdb:/etc/postfix/clients",
    "domain": "zen.example.org",
    "service": "unix:private/policy",
    "seconds": "5",
}
_COMMON = ("name", "warn")
_ALL_KEYS = frozenset({*_COMMON, *(key for main, more in _KEYS.values() for key in (main, *more) if key)})


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the YAML form that has no counterpart in main.cf.

    :param element: place inside the list, such as ``[2].table``
    :param reason: a sentence without its full stop
    :param fix: what to write instead
    """

    element: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.element}: {self.reason}. {self.fix}" if self.element else f"{self.reason}. {self.fix}"


def normalise(value: Any, classes: Collection[str] = ()) -> tuple[list[str], list[Problem]]:
    """The list in its plain form, and everything that is wrong with its YAML.

    Spelling and sense of the restrictions are the linter's business; here counts what cannot be written at all.

    :param value: list of texts and mappings, or one of them
    :param classes: names in smtpd_restriction_classes
    :return: elements such as ``check_client_access lmdb:/etc/postfix/clients``; an item with a problem is left out
    """
    if value is None:
        return [], []
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    problems: list[Problem] = []
    texts: list[str] = []
    for index, item in enumerate(items):
        place = f"[{index}]" if isinstance(value, (list, tuple)) else ""
        found: list[Problem] = []
        text = _text(item, place, found)
        problems += found
        if text and not found:
            texts.append(text)
    elements = words.parse_list(", ".join(texts), classes)
    return [words.plain(element) for element in elements], problems


def _text(item: Any, place: str, problems: list[Problem]) -> str:
    if isinstance(item, Mapping):
        return _mapping(item, place, problems)
    if not isinstance(item, str):
        fix = "Write text, or a mapping with name"
        problems.append(Problem(place, f"{shown(item)} is no restriction", fix))
        return ""
    if problem := _unbalanced(item):
        problems.append(Problem(place, f"{problem} in {shown(item)}", "Close every { with a }"))
    return item


def _unbalanced(text: str) -> str:
    """Why a text would take the items after it along, or an empty text."""
    level = 0
    for char in text:
        level += (char == "{") - (char == "}" and level > 0)
    return "a brace that is not closed swallows the rest of the list" if level else ""


def _mapping(item: Mapping[Any, Any], place: str, problems: list[Problem]) -> str:
    name = item.get("name")
    if not isinstance(name, str) or not name.strip():
        problems.append(_nameless(item, place))
        return ""
    name = name.strip()
    if len(words.split(name)) != 1 or ":" in name:
        fix = "name is one word; what follows it belongs into table, domain, service or seconds"
        problems.append(Problem(f"{place}.name", f"{shown(name)} is no name of a restriction", fix))
        return ""
    warn = item.get("warn", False)
    if not isinstance(warn, bool):
        problems.append(Problem(f"{place}.warn", f"{shown(warn)} is neither true nor false", "Write warn: true"))
    entry = catalogue.lookup(name)
    _check_keys(item, name, entry, place, problems)
    argument = _argument(item, entry, place, problems) if entry is not None else ""
    return " ".join(word for word in (words.WARN if warn is True else "", name, argument) if word)


def _nameless(item: Mapping[Any, Any], place: str) -> Problem:
    known = [key for key in item if isinstance(key, str) and catalogue.lookup(key) is not None]
    if len(item) == 1 and known:
        entry = catalogue.RESTRICTIONS[catalogue.ascii_lower(known[0])]
        key = _KEYS[entry.argument][0]
        rest = f", {key}: {item[known[0]]}" if key else ""
        return Problem(place, f"{known[0]} stands where a key is expected", f"Write {{name: {known[0]}{rest}}}")
    tables = "Write for example {name: check_client_access, table: lmdb:/etc/postfix/clients}"
    return Problem(place, "name is missing: which restriction is meant", tables)


def _check_keys(
    item: Mapping[Any, Any], name: str, entry: Restriction | None, place: str, problems: list[Problem]
) -> None:
    """Keys that nothing knows, and keys of another kind of restriction."""
    main, more = _KEYS[entry.argument] if entry is not None else ("", ())
    for key in item:
        if key in (*_COMMON, main, *more):
            continue
        where = f"{place}.{key}"
        if key not in _ALL_KEYS:
            fix = f"Keys are {listed(('name', 'warn', *filter(None, (main, *more))))}"
            problems.append(Problem(where, f"no such key{did_you_mean(str(key), _ALL_KEYS)}", fix))
        elif entry is None:
            suggestion = did_you_mean(name, catalogue.RESTRICTIONS)
            problems.append(
                Problem(
                    where,
                    f"{shown(name)} is no restriction{suggestion}, and a class takes no {key}",
                    f"Write the name of a restriction that takes a {key}, or leave {key} out",
                )
            )
        else:
            fix = f"It takes {main}" if main else f"Leave {key} out"
            problems.append(Problem(where, f"{name} takes no {key}", fix))


def _argument(item: Mapping[Any, Any], entry: Restriction, place: str, problems: list[Problem]) -> str:
    """The argument as one word."""
    main, _more = _KEYS[entry.argument]
    if not main:
        return ""
    given = item.get(main)
    if given is None or given == "":
        problems.append(
            Problem(f"{place}.{main}", f"{entry.name} needs a {main}", f"Write for example {main}: {_EXAMPLES[main]}")
        )
        return ""
    if entry.argument is Argument.SECONDS:
        return _seconds(given, place, problems)
    if not isinstance(given, str):
        problems.append(Problem(f"{place}.{main}", f"{shown(given)} is no text", "Put it in quotes"))
        return ""
    text = given.strip()
    if len(words.split(text)) != 1 or _unbalanced(text):
        fix = "Name one; where white space or commas belong to it, put the text in braces"
        problems.append(Problem(f"{place}.{main}", f"{shown(text)} is not one word", fix))
        return ""
    if entry.argument is Argument.DOMAIN:
        return _domain(text, item.get("filter"), place, problems)
    if entry.argument is Argument.TABLE:
        return _table(text, item.get("search_order"), entry, place, problems)
    return _service(text, item, place, problems)


def _seconds(given: Any, place: str, problems: list[Problem]) -> str:
    text = str(given).strip()
    if isinstance(given, bool) or not (text.isascii() and text.isdigit()):
        problems.append(Problem(f"{place}.seconds", f"{shown(given)} is no number of seconds", "Write digits alone"))
    return text


def _domain(domain: str, answers: Any, place: str, problems: list[Problem]) -> str:
    if answers is None:
        return domain
    if not isinstance(answers, str) or len(words.split(answers.strip())) != 1:
        fix = "Write the answers that count, such as filter: 127.0.0.[2..11]"
        problems.append(Problem(f"{place}.filter", f"{shown(answers)} is no address pattern", fix))
        return domain
    if "=" in domain:
        problems.append(Problem(f"{place}.filter", "domain has a filter already", "Write it in one of the two places"))
    return f"{domain}={answers.strip().removeprefix('=')}"


def _table(table: str, order: Any, entry: Restriction, place: str, problems: list[Problem]) -> str:
    if ":" not in table:
        fix = "Write type:name, such as lmdb:/etc/postfix/clients"
        problems.append(Problem(f"{place}.table", f"{shown(table)} names no type of table", fix))
    if order is None:
        return table
    if entry.name != "check_ccert_access":
        fix = "Leave it out: only check_ccert_access has it"
        problems.append(Problem(f"{place}.search_order", f"{entry.name} takes no search_order", fix))
        return table
    kinds = [str(kind) for kind in order] if isinstance(order, (list, tuple)) else [str(order)]
    return f"{{ {table} {{ search_order = {' '.join(kinds)} }} }}"


def _service(endpoint: str, item: Mapping[Any, Any], place: str, problems: list[Problem]) -> str:
    if ":" not in endpoint:
        fix = f"Write unix:{endpoint} or inet:host:port"
        problems.append(Problem(f"{place}.service", f"{shown(endpoint)} names no transport", fix))
    settings = [(key, item[key]) for key in _SERVICE_SETTINGS if item.get(key) is not None]
    if not settings:
        return endpoint
    pieces = [
        f"{key}={value}" if len(words.split(str(value))) == 1 else f"{{ {key}={value} }}" for key, value in settings
    ]
    return f"{{ {', '.join([endpoint, *pieces])} }}"
