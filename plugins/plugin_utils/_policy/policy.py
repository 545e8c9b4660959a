# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A policy: main.cf, master.cf and tables together, and its settings as one service sees them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data import catalogue, parameters
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.parameters_smtpd import LOADED
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import (
    Element,
    PolicyError,
    Service,
    TableContent,
    Version,
    Word,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import master_cf, words
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.expand import MacroError, expand
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SPACE

# Set before smtpd reads any parameter.
_ALWAYS = frozenset({"config_directory", "process_name", "service_name"})

__all__ = ["MacroError", "Policy", "Settings", "version_of"]


def version_of(value: str | float | tuple[int, ...]) -> Version:
    """Major and minor number of ``3.10`` or ``3.10.13``; a later release than the newest known counts as that.

    :raises PolicyError: no version
    """
    text = ".".join(map(str, value)) if isinstance(value, tuple) else str(value).strip().partition("-")[0]
    parts = text.split(".")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts[:2]):
        raise PolicyError(f"version {value!r} is no version of Postfix; write it as text, such as '3.10'")
    return min((int(parts[0]), int(parts[1])), parameters.NEWEST)


@dataclass(frozen=True)
class Policy:
    """What decides about mail on one host.

    :param parameters: main.cf parameter -> value as given, unexpanded, on one line
    :param tables: ``type:name`` or path -> content
    """

    version: Version = (3, 10)
    parameters: Mapping[str, str] = field(default_factory=dict)
    services: tuple[Service, ...] = ()
    tables: Mapping[str, TableContent] = field(default_factory=dict)
    _settings: dict[str, Settings] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        params: Mapping[str, Any],
        version: str | tuple[int, ...] = "3.10",
        tables: Mapping[str, TableContent] | None = None,
        master: str | Iterable[str | Mapping[str, Any]] | None = None,
    ) -> Policy:
        """Read a policy.

        :param params: parameter -> text, or list of elements (joined with commas)
        :param version: of Postfix
        :param master: master.cf as text, or a list of its lines or of mappings; None: Debian's stock services
        :raises PolicyError: with everything that cannot be read, one problem a line
        """
        problems: list[str] = []
        number = parameters.NEWEST
        services: tuple[Service, ...] = ()
        try:
            number = version_of(version)
        except PolicyError as error:
            problems.append(str(error))
        values = dict(_values(params, problems))
        try:
            services = master_cf.read(master)
        except PolicyError as error:
            problems.append(str(error))
        if problems:
            raise PolicyError("\n".join(problems))
        return cls(number, values, services, dict(tables or {}))

    def smtpd_services(self) -> tuple[Service, ...]:
        """Services that run smtpd, in the order of master.cf."""
        return tuple(service for service in self.services if service.command.rsplit("/", 1)[-1] == "smtpd")

    def service(self, name: str) -> Service:
        """The service of that ``name/type``, the last of several; a name alone is looked for as inet first.

        :raises PolicyError: there is none; the text names those that exist
        """
        found = {each.key: each for each in self.services}
        for key in (name, f"{name}/inet", f"{name}/pass", f"{name}/unix"):
            if key in found:
                return found[key]
        runs = ", ".join(each.key for each in self.smtpd_services()) or "none"
        raise PolicyError(f"master.cf has no service {name}; services that run smtpd: {runs}")

    def settings(self, service: str = "smtp/inet") -> Settings:
        """Parameters as that service sees them.

        :raises PolicyError: no such service
        """
        chosen = self.service(service)
        if chosen.key not in self._settings:
            self._settings[chosen.key] = Settings(self, chosen)
        return self._settings[chosen.key]

    def without_overrides(self, command: str) -> Settings:
        """Parameters as a daemon sees them that master.cf does not mention: main.cf alone."""
        if command not in self._settings:
            self._settings[command] = Settings(self, Service(command, "unix", command))
        return self._settings[command]


def _values(params: Mapping[str, Any], problems: list[str]) -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        if not isinstance(name, str) or not name or any(char in SPACE + "=\0" for char in name):
            problems.append(f"{name!r} is no parameter name")
        elif isinstance(value, Mapping) or not isinstance(value, (str, bool, int, float, list, tuple, type(None))):
            problems.append(f"{name}: a value is text, a number, true, false or a list, not {type(value).__name__}")
        else:
            text = master_cf.plain_value(value)
            if "\0" in text:
                problems.append(f"{name}: a null byte; Postfix does not read what follows it")
            elif value is not None:
                yield name, text


class Settings:
    """main.cf with the ``-o`` of one service over it.

    Access to a value raises :class:`MacroError` where Postfix could not expand it.
    """

    def __init__(self, policy: Policy, service: Service) -> None:
        self.policy = policy
        self.service = service
        self._expanded: dict[str, str] = {}
        self._elements: dict[str, tuple[Element, ...]] = {}
        self.views: dict[type, object] = {}
        """What others have made of these settings and need again, by its class."""

    @property
    def version(self) -> Version:
        return self.policy.version

    def __getitem__(self, name: str) -> str:
        """Expanded value, empty where the parameter has none. Debian's myorigin may name a file: then its content."""
        if name not in self._expanded:
            text = self.raw(name)
            if name not in parameters.RAW:
                text = self.expand(text, name)
            if name == "myorigin" and text.startswith("/"):
                text = self._content(text) or self["myhostname"]
            self._expanded[name] = text
        return self._expanded[name]

    def _content(self, path: str) -> str:
        """First line of a file that the policy's tables hold; empty where they do not."""
        content = self.policy.tables.get(path, "")
        return content.partition("\n")[0].strip() if isinstance(content, str) else ""

    def expand(self, text: str, name: str = "") -> str:
        """A text with the macros of this service's parameters replaced.

        :param name: parameter whose value it is. What smtpd reads, and what it does not know (a restriction class),
            sees only the defaults that smtpd has read before; all else sees all defaults.
        """
        lookup = self.lookup
        if name in LOADED or (name and parameters.default(name, self.version) is None):
            place = LOADED[name].place if name in LOADED else len(LOADED)
            lookup = functools.partial(self._seen, place)
        try:
            return expand(text, lookup, functions=self.version >= (3, 11))
        except MacroError as error:
            raise MacroError(f"{name}: macro processing error: {error}" if name else str(error)) from error

    def _seen(self, place: int, name: str) -> str | None:
        """Value of a parameter as it is known when smtpd reads the one at that place."""
        given = self._given(name)
        if given is not None or name in _ALWAYS:
            return given if given is not None else self._default(name)
        read = LOADED.get(name)
        known = read is not None and read.place < place and self._default(name) is not None
        return self[name] if known else None

    def _given(self, name: str) -> str | None:
        value = self.service.overrides.get(name)
        return self.policy.parameters.get(name) if value is None else value

    def lookup(self, name: str) -> str | None:
        """Unexpanded value, given or default; None where the parameter is unknown."""
        given = self._given(name)
        return given if given is not None else self._default(name)

    def raw(self, name: str) -> str:
        """Unexpanded value; empty where there is none."""
        return self.lookup(name) or ""

    def is_set(self, name: str) -> bool:
        """Whether main.cf or the service gives it, be it empty."""
        return name in self.service.overrides or name in self.policy.parameters

    def default(self, name: str) -> str:
        """Default of this release, unexpanded; empty for an unknown parameter."""
        return self._default(name) or ""

    def _default(self, name: str) -> str | None:
        if name == "service_name":
            return self.service.name
        if name == "mydomain" and self.is_set("myhostname"):
            # mail_params.c:check_mydomainname
            return self["myhostname"].partition(".")[2] or "localdomain"
        if name == "myhostname" and self.is_set("mydomain"):
            return f"localhost.{self['mydomain']}"
        if name == "mynetworks":
            return self._own_networks()
        return parameters.default(name, self.version)

    def _own_networks(self) -> str:
        """mynetworks of a host that has only its loopback interface (mynetworks.c)."""
        style = self["mynetworks_style"].strip().lower()
        address = {"host": "127.0.0.1/32", "class": "127.0.0.0/8"}.get(style, "127.0.0.0/8")
        protocols = {str(word).lower() for word in words.split(self["inet_protocols"])}
        v4, v6 = not protocols.isdisjoint({"all", "ipv4"}), not protocols.isdisjoint({"all", "ipv6"})
        return " ".join([address] * v4 + ["[::1]/128"] * v6)

    def flag(self, name: str) -> bool:
        """:raises PolicyError: neither yes nor no"""
        return parameters.boolean(name, self[name])

    def number(self, name: str) -> int:
        """:raises PolicyError: no number"""
        return parameters.number(name, self[name])

    def seconds(self, name: str) -> int:
        """:raises PolicyError: no time"""
        unit = next((char for char in self.expand(self.default(name), name) if char.isalpha()), "s")
        return parameters.seconds(name, self[name], unit)

    def words(self, name: str) -> tuple[Word, ...]:
        """The value's words, as a restriction list is split."""
        return words.split(self[name])

    def elements(self, name: str) -> tuple[Element, ...]:
        """The value as a restriction list."""
        if name not in self._elements:
            self._elements[name] = words.parse_list(self[name], self._classes_declared)
        return self._elements[name]

    @cached_property
    def _classes_declared(self) -> frozenset[str]:
        return frozenset(self.class_names)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names in smtpd_restriction_classes, each once; the split knows no braces (mystrtok)."""
        return tuple(dict.fromkeys(re.findall(r"[^, \t\r\n]+", self["smtpd_restriction_classes"])))

    def definition(self, name: str) -> str:
        """Expanded value of a restriction class; empty where smtpd finds none, which it dies of.

        Any parameter may be named as a class, but a default counts only if smtpd reads that parameter itself.
        """
        return self[name] if self._given(name) is not None or name in LOADED else ""

    @cached_property
    def classes(self) -> Mapping[str, tuple[Element, ...]]:
        """Class -> its elements, built-in classes included. A class that has no definition is empty."""
        own = {name: words.parse_list(self.definition(name), self.class_names) for name in self.class_names}
        built_in = {name: words.parse_list(" ".join(text)) for name, text in catalogue.BUILTIN_CLASSES.items()}
        return {**own, **built_in}
