# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What rules about restriction lists look at: each smtpd service with its lists and classes, parsed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import GUARDS, Restriction, lookup
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, Rule, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import (
    Element,
    Finding,
    Kind,
    PolicyError,
    Severity,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings

# postconf(5). The order is that of a session.
CLIENT = "smtpd_client_restrictions"
HELO = "smtpd_helo_restrictions"
SENDER = "smtpd_sender_restrictions"
RELAY = "smtpd_relay_restrictions"
RECIPIENT = "smtpd_recipient_restrictions"
DATA = "smtpd_data_restrictions"
END_OF_DATA = "smtpd_end_of_data_restrictions"
ETRN = "smtpd_etrn_restrictions"
LISTS = (CLIENT, HELO, SENDER, RELAY, RECIPIENT, DATA, END_OF_DATA, ETRN)
EARLY = (CLIENT, HELO, SENDER)
"""Lists that smtpd_delay_reject puts off until RCPT."""
PER_RECIPIENT = (CLIENT, HELO, SENDER, RELAY, RECIPIENT)
STAGE = {name: name.removeprefix("smtpd_").removesuffix("_restrictions") for name in LISTS}

OWN_CLIENTS = frozenset(
    {
        "permit_mynetworks",
        "permit_sasl_authenticated",
        "permit_inet_interfaces",
        "permit_tls_clientcerts",
        "permit_tls_all_clientcerts",
    }
)
_ENDS = frozenset({"permit", "reject", "defer"})
_LOOPBACK = frozenset({"loopback-only", "127.0.0.1", "localhost", "[::1]", "::1", "$loopback"})
_SUBMISSION = frozenset({"submission", "submissions", "smtps", "587", "465"})


def is_end(element: Element) -> bool:
    """Whether nothing behind it is ever asked; warn_if_reject does not soften permit."""
    name = element.name.lower()
    return element.kind is Kind.RESTRICTION and name in _ENDS and (name == "permit" or not element.warn)


class Place(NamedTuple):
    """One element where it stands.

    :param parameter: the list, or the class it stands in
    :param name: of the restriction, in lower case
    """

    parameter: str
    element: Element
    name: str


def _places(parameter: str, elements: Iterable[Element]) -> tuple[Place, ...]:
    return tuple(Place(parameter, element, element.name.lower()) for element in elements)


@dataclass(frozen=True)
class Service:
    """A service of master.cf that runs smtpd, with everything its lists say."""

    settings: Settings

    @property
    def key(self) -> str:
        return self.settings.service.key

    def elements(self, name: str) -> tuple[Element, ...]:
        """A list's elements; none where its value cannot be expanded, which is a finding of its own."""
        try:
            return self.settings.elements(name)
        except PolicyError:
            return ()

    @cached_property
    def classes(self) -> Mapping[str, tuple[Element, ...]]:
        """The administrator's own classes."""
        try:
            names = self.settings.class_names
        except PolicyError:
            return {}
        return {name: self.elements(name) for name in names}

    @cached_property
    def reached_classes(self) -> frozenset[str]:
        """Classes that a list names, or a class that a list names."""
        names: set[str] = set()
        waiting = [element for name in LISTS for element in self.elements(name)]
        while waiting:
            element = waiting.pop()
            if element.kind is Kind.CLASS and element.name not in names:
                names.add(element.name)
                waiting.extend(self.classes.get(element.name, ()))
        return frozenset(names)

    def own(self, name: str) -> tuple[Place, ...]:
        """The elements of one list, classes not looked into."""
        return _places(name, self.elements(name))

    @cached_property
    def everywhere(self) -> tuple[Place, ...]:
        """Every element of every list and class."""
        lists = [place for name in LISTS for place in self.own(name)]
        return (*lists, *(place for name, inner in self.classes.items() for place in _places(name, inner)))

    @cached_property
    def _walks(self) -> dict[str, tuple[Place, ...]]:
        return {}

    def walk(self, name: str) -> tuple[Place, ...]:
        """The elements of a list in the order Postfix meets them, each class looked into where it is first named."""
        if name not in self._walks:
            self._walks[name] = tuple(self._walk(name))
        return self._walks[name]

    def _walk(self, name: str) -> Iterator[Place]:
        seen: set[str] = set()
        pending = [iter(self.own(name))]
        while pending:
            place = next(pending[-1], None)
            if place is None:
                pending.pop()
                continue
            yield place
            inner = place.element.name
            if place.element.kind is Kind.CLASS and not place.element.warn and inner not in seen:
                seen.add(inner)
                pending.append(iter(_places(inner, self.classes.get(inner, ()))))

    def at(
        self,
        place: Place,
        kind: FindingKind,
        message: str,
        fix: str,
        *,
        severity: Severity | None = None,
        consequence: str = "",
    ) -> Finding:
        """A finding about one element of this service's lists.

        What is answered with 451 where Postfix gets to it does no harm behind the end of its list.
        """
        told = consequence or kind.happens
        if "451" in told and "not start" not in told and place.element.index > self._end_of(place.parameter):
            severity, consequence = Severity.IDLE, "Nothing yet: the list ends before it, and Postfix never gets there."
        return find(
            kind,
            place.parameter,
            message,
            fix,
            severity=severity,
            consequence=consequence,
            service=self.key,
            element=place.element,
        )

    def _end_of(self, name: str) -> int:
        """Place of the permit, reject or defer that ends the list for everybody, or the length of the list."""
        if name not in self._ends:
            elements = self.classes.get(name) or self.elements(name)
            ends = (element.index for element in elements if is_end(element))
            self._ends[name] = next(ends, len(elements))
        return self._ends[name]

    @cached_property
    def _ends(self) -> dict[str, int]:
        return {}

    def text(self, name: str) -> str:
        try:
            return self.settings[name]
        except PolicyError:
            return ""

    def flag(self, name: str) -> bool:
        try:
            return self.settings.flag(name)
        except (PolicyError, ValueError):
            return False

    @cached_property
    def delayed(self) -> bool:
        return self.flag("smtpd_delay_reject")

    @cached_property
    def sasl(self) -> bool:
        """Users can log in here."""
        return self.flag("smtpd_sasl_auth_enable")

    @cached_property
    def relay_first(self) -> bool:
        return self.flag("smtpd_relay_before_recipient_restrictions")

    @cached_property
    def destination_lists(self) -> tuple[str, str]:
        """Relay and recipient list, in the order they are asked."""
        return (RELAY, RECIPIENT) if self.relay_first else (RECIPIENT, RELAY)

    @property
    def port(self) -> str:
        """Name or number of the port, without the address before it."""
        return self.settings.service.name.rpartition(":")[2]

    @cached_property
    def is_submission(self) -> bool:
        """Serves users' mail programs: by its port (RFC 8314, 6409), or because it admits only who has logged in."""
        return self.port in _SUBMISSION

    @cached_property
    def is_loopback(self) -> bool:
        host = self.settings.service.name.rpartition(":")[0].strip("[]")
        if host:
            return host in _LOOPBACK or host.startswith("127.")
        words = self.text("inet_interfaces").replace(",", " ").split()
        return bool(words) and all(word in _LOOPBACK for word in words)

    @cached_property
    def is_mx(self) -> bool:
        """Strangers' servers bring mail here: port 25, or behind postscreen."""
        service = self.settings.service
        return (self.port in {"smtp", "25"} and service.type == "inet" and not self.is_loopback) or (
            service.type == "pass"
        )


ServiceRule = Callable[[Service], Iterator[Finding]]


def services(policy: Policy) -> Iterator[Service]:
    """Those that run smtpd, the first of a name only."""
    for key in dict.fromkeys(service.key for service in policy.smtpd_services()):
        settings = policy.settings(key)
        view = settings.views.setdefault(Service, Service(settings))
        if isinstance(view, Service):
            yield view


def each_service(*rules: ServiceRule) -> Rule:
    """One rule of the linter out of rules about one service, which then share the parsed lists."""

    def rule(policy: Policy) -> Iterator[Finding]:
        for service in services(policy):
            for inner in rules:
                yield from inner(service)

    return rule


def restriction(element: Element) -> Restriction | None:
    return lookup(element.name) if element.kind is Kind.RESTRICTION else None


def documented(place: Place) -> str:
    """The name under which postconf(5) explains the restriction, in lower case; other words as they are."""
    entry = restriction(place.element)
    return entry.documented_name if entry else place.name


def value(elements: tuple[Element, ...], *, without: Element | None = None) -> str:
    """A list as one would write it into main.cf, one element changed or left out."""
    return ", ".join(str(element) for element in elements if element is not without)


__all__ = [
    "CLIENT",
    "DATA",
    "EARLY",
    "END_OF_DATA",
    "ETRN",
    "GUARDS",
    "HELO",
    "LISTS",
    "OWN_CLIENTS",
    "PER_RECIPIENT",
    "RECIPIENT",
    "RELAY",
    "SENDER",
    "STAGE",
    "Place",
    "Service",
    "documented",
    "each_service",
    "is_end",
    "restriction",
    "services",
    "value",
]
