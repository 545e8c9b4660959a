# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""master.cf: text or YAML -> services, and back (master(5), Postfix's master_ent.c and getopt(3))."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError, Service
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import (
    SPACE,
    SyntaxProblem,
    tokens,
    unwrapped,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.main_cf import (
    LogicalLine,
    logical_lines,
    name_value,
    value_of,
)

TYPES = ("inet", "unix", "unix-dgram", "fifo", "pass")
_BLANKS = " \t\r\n"
# Options of Postfix's servers, after single_server.c and its sisters; those in the second text want a value.
_FLAGS, _WITH_VALUE = "cdDlSuvVz", "imnorst"
_SERVERS = frozenset(
    [
        "smtpd",
        "postscreen",
        "cleanup",
        "qmgr",
        "pickup",
        "tlsmgr",
        "trivial-rewrite",
        "bounce",
        "verify",
        "flush",
        "proxymap",
        "smtp",
        "lmtp",
        "showq",
        "error",
        "discard",
        "local",
        "virtual",
        "anvil",
        "scache",
        "postlogd",
        "tlsproxy",
        "dnsblog",
        "qmqpd",
        "oqmgr",
    ]
)
STOCK = """\
smtp      inet  n - y - - smtpd
pickup    unix  n - y 60 1 pickup
cleanup   unix  n - y - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - y 1000? 1 tlsmgr
rewrite   unix  - - y - - trivial-rewrite
bounce    unix  - - y - 0 bounce
defer     unix  - - y - 0 bounce
trace     unix  - - y - 0 bounce
verify    unix  - - y - 1 verify
flush     unix  n - y 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix  - - y - - smtp
relay     unix  - - y - - smtp
  -o syslog_name=${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name
showq     unix  n - y - - showq
error     unix  - - y - - error
retry     unix  - - y - - error
discard   unix  - - y - - discard
local     unix  - n n - - local
virtual   unix  - n n - - virtual
lmtp      unix  - - y - - lmtp
anvil     unix  - - y - 1 anvil
scache    unix  - - y - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""
"""The services that Debian's packages come with, in Debian's order; only smtp/inet runs smtpd."""


def parse(text: str) -> tuple[Service, ...]:
    """Read a master.cf.

    :raises PolicyError: lines that end the master daemon, all of them
    """
    services: list[Service] = []
    problems: list[str] = []
    for line in logical_lines(text):
        if line.stray:
            continue
        try:
            services.append(_service(line))
        except ValueError as error:
            problems.append(f"master.cf, line {line.line}: {error}")
    if problems:
        raise PolicyError("\n".join(problems))
    return tuple(services)


def read(master: str | Iterable[str | Mapping[str, Any]] | None) -> tuple[Service, ...]:
    """Services of a master.cf given as text, as lines, or as mappings; None: Debian's own.

    :raises PolicyError: all that cannot be read
    """
    if master is None:
        return parse(STOCK)
    if isinstance(master, str):
        return parse(master)
    services: list[Service] = []
    problems: list[str] = []
    for group in _groups(master):
        try:
            services += parse(group) if isinstance(group, str) else [from_mapping(group)]
        except PolicyError as error:
            problems.append(str(error))
    if problems:
        raise PolicyError("\n".join(problems))
    return tuple(services)


def _groups(master: Iterable[str | Mapping[str, Any]]) -> Iterator[str | Mapping[str, Any]]:
    """Mappings one by one, lines of text together: an entry may continue on the next."""
    lines: list[str] = []
    for item in master:
        if isinstance(item, str):
            lines.append(item)
            continue
        if lines:
            yield "\n".join(lines)
            lines = []
        yield item
    if lines:
        yield "\n".join(lines)


def _service(line: LogicalLine) -> Service:
    """:raises ValueError: with Postfix's reason"""
    words = list(tokens(line.text, _BLANKS))
    names = ("service", "transport type", "private", "unprivileged", "chroot", "wakeup_time", "max_proc", "command")
    if len(words) < len(names):
        raise ValueError(f'missing "{names[len(words)]}" field: {line.text.strip()}')
    name, kind, private, unprivileged, chroot, wakeup, maxproc, command = words[:8]
    if kind not in TYPES:
        raise ValueError(f"bad transport type: {kind}")
    flags = [_flag(field, value) for field, value in zip(names[2:5], (private, unprivileged, chroot), strict=True)]
    if kind == "inet" and flags[0] is not False:
        raise ValueError(f"{name}: inet service cannot be private")
    for field, value in zip(names[5:7], (wakeup, maxproc), strict=True):
        if value != "-" and not (value[0].isascii() and value[0].isdigit()):
            raise ValueError(f'field "{field}": bad value: "{value}"')
    if command == "-":
        raise ValueError('field "command" has no default value')
    arguments = [unwrapped(word).strip(SPACE) if word.startswith("{") else word for word in words[8:]]
    overrides, rest, problems = options(command, arguments)
    return Service(
        name=name,
        type=kind,
        command=command,
        overrides=overrides,
        arguments=rest,
        private=flags[0],
        chroot=flags[2],
        line=line.line,
        unprivileged=flags[1],
        wakeup="" if wakeup == "-" else wakeup,
        maxproc="" if maxproc == "-" else maxproc,
        problems=problems,
    )


def _flag(field: str, value: str) -> bool | None:
    if value not in ("y", "n", "-"):
        raise ValueError(f'field "{field}": bad value: "{value}"')
    return None if value == "-" else value == "y"


def options(command: str, words: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]:
    """Split a daemon's arguments as getopt does.

    The first word that is no option ends the options: what follows is lost, ``-o`` too.

    :return: ``-o`` name -> value, all other words, and what the daemon dies of
    """
    overrides: dict[str, str] = {}
    rest: list[str] = []
    problems: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if not word.startswith("-") or word == "-":
            break
        at += 1
        if word == "--":
            break
        kept, setting, at, problem = _option(word, words, at)
        if kept:
            rest.append(kept)
        if problem:
            problems.append(problem)
        elif setting is not None:
            try:
                name, value = name_value(setting)
                overrides[name] = value
            except ValueError as error:
                problems.append(f'invalid "-o {setting}" option value: {error}')
    operands = list(words[at:])
    if operands and command in _SERVERS:
        problems.append(f"unexpected command-line argument: {operands[0]}")
    return overrides, (*rest, *operands), tuple(problems)


def _option(word: str, words: Sequence[str], at: int) -> tuple[str, str | None, int, str]:
    """One word of options, such as ``-o``, ``-oname=value`` or ``-vD``.

    :return: the word without ``-o``; what ``-o`` sets; place after it; what is wrong with it
    """
    for offset, letter in enumerate(word[1:], start=1):
        if letter in _FLAGS:
            continue
        if letter not in _WITH_VALUE:
            return word, None, at, f"invalid option: {letter}"
        flags = word[:offset] if offset > 1 else ""
        value: str | None = word[offset + 1 :]
        if not value:
            value = words[at] if at < len(words) else None
            at += 1
        if value is None:
            return word, None, at, f"invalid option: {letter}"
        if letter == "o":
            return flags, value, at, ""
        return f"{flags or '-'}{letter} {value}", None, at, ""
    return word, None, at, ""


_KEYS = frozenset(
    [
        "name",
        "type",
        "command",
        "private",
        "unprivileged",
        "unpriv",
        "chroot",
        "wakeup",
        "maxproc",
        "options",
        "overrides",
        "args",
        "enabled",
    ]
)


def from_mapping(data: Mapping[str, Any]) -> Service:
    """A service as YAML has it: name, type, command, private, unprivileged, chroot, wakeup, maxproc, options, args.

    :param data: ``options`` is parameter -> value, or a list of ``name=value``; a list as value is joined by commas
    :raises PolicyError: what is missing or unknown
    """
    label = f"service {data.get('name', '?')}/{data.get('type', '?')}"
    problems = [f"{label}: unknown key {key}" for key in data if key not in _KEYS]
    problems += [f"{label}: {key} is missing" for key in ("name", "type", "command") if not data.get(key)]
    if data.get("type") not in (*TYPES, None):
        problems.append(f"{label}: type must be one of {', '.join(TYPES)}")
    overrides: dict[str, str] = {}
    given = data.get("options") or data.get("overrides") or {}
    pairs = given.items() if isinstance(given, Mapping) else _pairs(label, given, problems)
    for name, value in pairs:
        overrides[str(name)] = plain_value(value)
    if problems:
        raise PolicyError("\n".join(problems))
    words = [str(word) for word in data.get("args") or ()]
    command, *rest = str(data["command"]).split()
    more, arguments, wrong = options(command, [*rest, *words])
    unprivileged = data.get("unprivileged", data.get("unpriv"))
    return Service(
        name=str(data["name"]),
        type=str(data["type"]),
        command=command,
        overrides={**overrides, **more},
        arguments=arguments,
        private=_boolean(data.get("private")),
        chroot=_boolean(data.get("chroot")),
        unprivileged=_boolean(unprivileged),
        wakeup=str(data.get("wakeup") or ""),
        maxproc="" if data.get("maxproc") is None else str(data["maxproc"]),
        problems=wrong,
    )


def _pairs(label: str, given: Any, problems: list[str]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for item in given if isinstance(given, (list, tuple)) else [given]:
        if isinstance(item, Mapping):
            pairs += [(str(name), plain_value(value)) for name, value in item.items()]
            continue
        text = str(item).strip()
        try:
            pairs.append(name_value(text.removeprefix("-o").strip()))
        except ValueError as error:
            problems.append(f"{label}: option {text!r}: {error}")
    return pairs


def plain_value(value: Any) -> str:
    """A value of YAML as main.cf writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(plain_value(item) for item in value)
    return "" if value is None else value_of(str(value))


def _boolean(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"y": True, "yes": True, "n": False, "no": False}.get(value.lower())
    return None if value is None else bool(value)


def render(services: Iterable[Service]) -> str:
    """The services as text, with every option on a line of its own."""
    lines: list[str] = []
    for service in services:
        flags = ["-" if flag is None else "y" if flag else "n" for flag in _flags(service)]
        columns = [service.name, service.type, *flags, service.wakeup or "-", service.maxproc or "-", service.command]
        lines.append(" ".join(columns))
        lines += [_rendered(name, value) for name, value in service.overrides.items()]
        lines += [f"  {_word(word)}" for word in service.arguments]
    return "".join(f"{line}\n" for line in lines)


def _flags(service: Service) -> tuple[bool | None, bool | None, bool | None]:
    private = False if service.private is None and service.type == "inet" else service.private
    return private, service.unprivileged, service.chroot


def _rendered(name: str, value: str) -> str:
    setting = f"{name}={value}"
    return f"  -o {setting}" if value and _one_word(setting) else f"  -o {{ {name} = {value} }}"


def _word(word: str) -> str:
    return word if _one_word(word) else f"{{{word}}}"


def _one_word(text: str) -> bool:
    """Whether a text stays as it is without braces around it."""
    return not text.startswith("{") and list(tokens(text, _BLANKS)) == [text]


__all__ = [
    "STOCK",
    "TYPES",
    "SyntaxProblem",
    "from_mapping",
    "options",
    "parse",
    "plain_value",
    "read",
    "render",
]
