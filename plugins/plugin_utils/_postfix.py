# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Postfix's file grammars: main.cf (postconf(5)), master.cf (master(5)) and lookup tables (postmap(1)).

Everything here refuses what the grammar cannot carry instead of writing a file that means something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

# A parameter's value. A list is written one element a line; None leaves the parameter at Postfix's own default.
Value = str | int | bool | list[Any] | None

_PARAMETER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
_SERVICE_TYPES = ("inet", "unix", "unix-dgram", "fifo", "pass")


class PostfixError(ValueError):
    """The data cannot be what a Postfix file says; the message names the element and the reason."""


@dataclass(frozen=True)
class Service:
    """One service of master.cf, with the columns of master(5).

    wakeup is in seconds, as text because `?` may follow; maxproc 0 means no limit, None is default_process_limit.
    options become `-o name=value`, args follow them as they are.
    """

    name: str
    type: str
    command: str
    private: bool | None = None
    unprivileged: bool | None = None
    chroot: bool = False
    wakeup: str | int | None = None
    maxproc: int | None = None
    options: Mapping[str, Value] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    enabled: bool = True

    @property
    def key(self) -> tuple[str, str]:
        """What must be unique in master.cf."""
        return self.name, self.type

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Service:
        """Build from a mapping as it stands in YAML; keys that are None count as absent."""
        given = {key: value for key, value in data.items() if value is not None}
        label = f"service {given.get('name', '?')}/{given.get('type', '?')}"
        known = {item.name for item in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise PostfixError(f"{label}: unknown key {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        required = {"name", "type"} | ({"command"} if given.get("enabled", True) else set())
        if missing := sorted(required - set(given)):
            raise PostfixError(f"{label}: {', '.join(missing)} is missing")
        given["args"] = tuple(str(word) for word in given.get("args", ()))
        service = cls(**{"command": "", **given})
        if service.type not in _SERVICE_TYPES:
            raise PostfixError(f"{label}: type must be one of {', '.join(_SERVICE_TYPES)}")
        words = [service.name, service.command or "-", str(service.wakeup or "-")]
        if any(not word or re.search(r"\s", word) for word in words) or service.name.startswith("#"):
            raise PostfixError(f"{label}: name, command and wakeup are single words (arguments go into args)")
        return service


def format_value(name: str, value: Value) -> str:
    """Write a parameter's value without layout: lists become words separated by one space.

    :raises PostfixError: a line break, or a value of a type main.cf has no form for.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " ".join(_elements(name, value))
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise PostfixError(f"{name}: a value is a string, a number, true, false or a list, not {type(value).__name__}")
    text = value.strip()
    if "\n" in text or "\r" in text:
        raise PostfixError(f"{name}: a value is one line; give a list to write several")
    return text


def _elements(name: str, values: Iterable[Any]) -> list[str]:
    elements = [format_value(name, element) for element in values]
    for element in elements:
        if not element:
            raise PostfixError(f"{name}: an element of the list is empty")
        # A line whose first character is # is a comment: the element would silently not be there.
        if element.startswith("#"):
            raise PostfixError(f"{name}: the element {element!r} would be a comment; Postfix has none inside a value")
        if element.count("{") != element.count("}"):
            raise PostfixError(f"{name}: the braces in {element!r} do not match and would swallow what follows")
    return elements


def _check_parameter(name: str) -> None:
    if not _PARAMETER.match(name):
        raise PostfixError(f"{name!r} is no parameter name")


def render_main(settings: Mapping[str, Value]) -> str:
    """Write settings as lines of main.cf, lists one element a line. Parameters whose value is None are left out."""
    lines: list[str] = []
    for name, value in settings.items():
        _check_parameter(name)
        if value is None:
            continue
        if isinstance(value, (list, tuple)) and len(value) > 1:
            lines += [f"{name} =", *(f"    {element}" for element in _elements(name, value))]
        else:
            lines.append(f"{name} = {format_value(name, value)}".rstrip())
    return "".join(f"{line}\n" for line in lines)


def _flag(value: bool | None) -> str:
    return "-" if value is None else "y" if value else "n"


def _option(service: Service, name: str, value: Value) -> str:
    _check_parameter(name)
    text = format_value(f"{service.name}/{service.type} {name}", value)
    # Without braces master.cf splits at white space (master(5), Postfix >= 3.0).
    return f"    -o {{ {name} = {text} }}" if re.search(r"[\s{}]", text) else f"    -o {name}={text}"


def _argument(word: str) -> str:
    return f"{{ {word} }}" if re.search(r"\s", word) else word


def render_master(services: Iterable[Service]) -> str:
    """Write services as master.cf: one line of columns each, options indented below it."""
    lines = ["#service        type  private unpriv  chroot  wakeup  maxproc command"]
    for service in services:
        wakeup = "-" if service.wakeup is None else str(service.wakeup)
        maxproc = "-" if service.maxproc is None else str(service.maxproc)
        columns = [_flag(service.private), _flag(service.unprivileged), _flag(service.chroot), wakeup, maxproc]
        lines.append(
            f"{service.name:15} {service.type:5} " + " ".join(f"{word:7}" for word in columns) + f" {service.command}"
        )
        lines += [_option(service, name, value) for name, value in service.options.items() if value is not None]
        if service.args:
            lines.append("    " + " ".join(_argument(word) for word in service.args))
    return "".join(f"{line}\n" for line in lines)


def render_table(entries: Mapping[str, Any]) -> str:
    """Write entries as the source of an indexed table (postmap(1)), sorted by key; a list is written with commas.

    :raises PostfixError: a key or value that the text form would split, comment out or lose.
    """
    lines: list[str] = []
    for key, value in sorted(entries.items()):
        text = ", ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else str(value)
        if not key or re.search(r"\s", key) or key.startswith("#"):
            raise PostfixError(f"table key {key!r}: must be one word that does not begin with #")
        if not text.strip() or "\n" in text or "\r" in text:
            raise PostfixError(f"table key {key!r}: the value must be one line that is not empty")
        lines.append(f"{key}\t{text.strip()}\n")
    return "".join(lines)
