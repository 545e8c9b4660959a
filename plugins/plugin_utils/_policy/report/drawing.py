# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mail flow and the lists of a policy, as plain data for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data import catalogue
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import (
    Element,
    Finding,
    Kind,
    PolicyError,
    Service,
    Word,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.words import split
from ansible_collections.postern.mail.plugins.plugin_utils._policy.report import words

_ENTRIES = 30
_ALWAYS = ("smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions")
_RCPT = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
_LATER = ("smtpd_data_restrictions", "smtpd_end_of_data_restrictions")


@dataclass(frozen=True, slots=True)
class Numbered:
    """A finding with its number on the page."""

    number: int
    finding: Finding


@dataclass
class Listing:
    """One value of a parameter, and the services that have it."""

    name: str
    value: str
    settings: Settings
    services: list[Service] = field(default_factory=list)
    ident: str = ""


class Drawing:
    """Flow and lists of one policy.

    :param findings: with the numbers they have on the page
    """

    def __init__(self, policy: Policy, findings: Sequence[Numbered]) -> None:
        self.policy = policy
        self.findings = findings
        self.listings: dict[tuple[str, str], Listing] = {}
        self.services = [service for service in policy.services if _is_smtpd(service)]
        for service in self.services:
            settings = policy.settings(service.key)
            for name in (*words.LISTS, *words.OTHER_LISTS):
                self._add(name, settings, service)
        for at, listing in enumerate(self.listings.values(), start=1):
            listing.ident = f"list-{at}"

    def _add(self, name: str, settings: Settings, service: Service) -> None:
        value = _value(settings, name)
        if name in words.OTHER_LISTS and (service is not self.services[0] or not self._shown(name, settings)):
            return
        if name in (*_LATER, "smtpd_etrn_restrictions") and not value:
            return
        listing = self.listings.setdefault((name, value), Listing(name, value, settings))
        listing.services.append(service)

    def _shown(self, name: str, settings: Settings) -> bool:
        if name.startswith("postscreen_"):
            return any(_program(service) == "postscreen" for service in self.policy.services)
        return name == "mynetworks" or bool(settings.is_set(name) and _value(settings, name))

    def of(self, finding: Finding) -> Listing | None:
        """The list on the page that a finding is about."""
        for listing in self.listings.values():
            if listing.name == finding.parameter and _concerns(finding, listing):
                return listing
        return None

    def flows(self) -> list[dict[str, Any]]:
        """One lane for each service that runs smtpd, boxes in the order of evaluation."""
        return [self._flow(service) for service in self.services]

    def _flow(self, service: Service) -> dict[str, Any]:
        settings = self.policy.settings(service.key)
        door = words.door(service)
        boxes = [self._box(name, settings) for name in _order(settings) if self._has_box(name, settings)]
        if service.type == "pass":
            boxes.insert(0, self._postscreen(settings))
        about = door.about
        if _yes(settings, "smtpd_delay_reject"):
            about += " All boxes up to the recipient are asked when the client has named the recipient."
        return {"title": door.title, "service": service.key, "about": about, "who": door.who, "boxes": boxes}

    def _has_box(self, name: str, settings: Settings) -> bool:
        return name not in _LATER or bool(_value(settings, name))

    def _box(self, name: str, settings: Settings) -> dict[str, Any]:
        listing = self.listings[(name, _value(settings, name))]
        number = len(_elements(settings, name))
        own = [each for each in self.findings if each.finding.parameter == name]
        own = [each for each in own if each.finding.service in ("", settings.service.key)]
        return {
            "title": words.LISTS[name][0],
            "name": name.removeprefix("smtpd_").removesuffix("_restrictions"),
            "summary": words.count(number, "rule", "rules") if number else "no rules: lets all pass",
            "link": listing.ident,
            **_worst(own),
        }

    def _postscreen(self, settings: Settings) -> dict[str, Any]:
        own = [each for each in self.findings if each.finding.parameter.startswith("postscreen_")]
        listing = self.listings.get(("postscreen_dnsbl_sites", _value(settings, "postscreen_dnsbl_sites")))
        listing = listing or self.listings.get(("postscreen_access_list", _value(settings, "postscreen_access_list")))
        return {
            "title": "Robots",
            "name": "postscreen",
            "summary": "before the lists",
            "link": listing.ident if listing else "lists",
            **_worst(own),
        }

    def lists(self) -> list[dict[str, Any]]:
        """Every list once for each value it has."""
        order = [*words.LISTS, *words.OTHER_LISTS]
        listings = sorted(self.listings.values(), key=lambda listing: order.index(listing.name))
        return [self._list(listing) for listing in listings]

    def _list(self, listing: Listing) -> dict[str, Any]:
        mine = [each for each in self.findings if each.finding.parameter == listing.name]
        mine = [each for each in mine if _concerns(each.finding, listing)]
        restriction = listing.name in words.LISTS
        steps = list(self._steps(listing, mine))
        placed = {note["number"] for step in steps for note in step["notes"]}
        doors = list(dict.fromkeys(words.door(service).title for service in listing.services))
        everywhere = len(listing.services) == len(self.services) or not restriction
        about = words.LISTS[listing.name][1] if restriction else words.OTHER_LISTS[listing.name]
        return {
            "id": listing.ident,
            "name": listing.name,
            "about": about,
            "used": "" if everywhere else f"Used on {' and '.join(doors)}.",
            "steps": steps,
            "notes": [_note(each) for each in mine if each.number not in placed],
            "end": _end(listing.name, bool(steps)),
        }

    def _steps(self, listing: Listing, mine: Sequence[Numbered]) -> Iterator[dict[str, Any]]:
        if listing.name in words.LISTS:
            for element in _elements(listing.settings, listing.name):
                notes = [each for each in mine if each.finding.index == element.index]
                tables = [name for name in (_table(element, listing.settings),) if name]
                notes += [each for each in self.findings if tables and each.finding.parameter in tables]
                yield {**self._describe(element, listing.settings), **_step(element.index, str(element), notes)}
            return
        for at, word in enumerate(_words(listing.settings, listing.name)):
            notes = [each for each in mine if each.finding.index == at]
            notes += [each for each in self.findings if each.finding.parameter == str(word)]
            yield {"does": "", "tag": "", "tone": "", **self._entries(str(word)), **_step(at, str(word), notes)}

    def _describe(self, element: Element, settings: Settings) -> dict[str, Any]:
        tag, tone, does = _effect(element, settings)
        return {"does": does, "tag": tag, "tone": tone, **self._entries(_table(element, settings))}

    def _entries(self, table: str) -> dict[str, str]:
        content = self.policy.tables.get(table) if table else None
        if not content:
            return {"entries": "", "entries_title": ""}
        if isinstance(content, Mapping):
            lines = [f"{key}  {value}" for key, value in content.items()]
        else:
            lines = [line for line in content.splitlines() if line.strip() and not line.startswith("#")]
        more = [f"... and {len(lines) - _ENTRIES} more"] if len(lines) > _ENTRIES else []
        return {
            "entries": "\n".join(lines[:_ENTRIES] + more),
            "entries_title": f"What is in it ({words.count(len(lines), 'entry', 'entries')})",
        }


def _is_smtpd(service: Service) -> bool:
    return _program(service) == "smtpd"


def _program(service: Service) -> str:
    return service.command.rsplit("/", 1)[-1]


def _value(settings: Settings, name: str) -> str:
    try:
        return settings[name]
    except PolicyError:
        return settings.raw(name)


def _elements(settings: Settings, name: str) -> tuple[Element, ...]:
    try:
        return settings.elements(name)
    except PolicyError:
        return ()


def _words(settings: Settings, name: str) -> tuple[Word, ...]:
    try:
        return settings.words(name)
    except PolicyError:
        return split(settings.raw(name))


def _yes(settings: Settings, name: str) -> bool:
    try:
        return settings.flag(name)
    except PolicyError:
        return True


def _order(settings: Settings) -> tuple[str, ...]:
    """The lists in the order in which they are evaluated."""
    relay_first = _yes(settings, "smtpd_relay_before_recipient_restrictions")
    return (*_ALWAYS, *(_RCPT if relay_first else reversed(_RCPT)), *_LATER)


def _concerns(finding: Finding, listing: Listing) -> bool:
    return not finding.service or any(service.key == finding.service for service in listing.services)


def _worst(own: Sequence[Numbered]) -> dict[str, str]:
    if not own:
        return {"severity": "", "trouble": ""}
    worst = min(own, key=lambda each: each.finding.severity.rank).finding.severity
    return {"severity": worst.value, "trouble": words.count(len(own), "problem", "problems")}


def _step(index: int, element: str, notes: Sequence[Numbered]) -> dict[str, Any]:
    unique = sorted({each.number: each for each in notes}.values(), key=lambda each: each.number)
    severity = min(unique, key=lambda each: each.finding.severity.rank).finding.severity.value if unique else ""
    return {"index": index + 1, "element": element, "severity": severity, "notes": [_note(each) for each in unique]}


def _note(each: Numbered) -> dict[str, Any]:
    return {
        "number": each.number,
        "severity": each.finding.severity.value,
        "message": words.sentence(each.finding.message),
    }


def _table(element: Element, settings: Settings) -> str:
    """The table that an element looks into; empty when it looks into none."""
    if element.kind is Kind.TABLE:
        return element.name
    argument = str(element.argument) if element.argument else ""
    return argument if ":" in argument and not argument.startswith(("unix:", "inet:")) else ""


def _effect(element: Element, settings: Settings) -> tuple[str, str, str]:
    """(tag, tone, what it does) of one element."""
    if element.kind is Kind.CLASS:
        inner = " ".join(str(each) for each in settings.classes.get(element.name, ()))
        return "a group of rules", "style", f"Stands for: {inner}" if inner else "An empty group of rules."
    if element.kind is Kind.UNKNOWN:
        return "unknown to Postfix", "deferred", "Postfix has no rule of this name: whoever gets here is answered 451."
    if element.kind is Kind.TABLE:
        return "asks a table", "style", "What the table says about the client, name or address decides."
    restriction = catalogue.lookup(element.name)
    if restriction is None:
        return "", "", ""
    summary = restriction.summary[:1].upper() + restriction.summary[1:] + "."
    if element.warn:
        return "only logs", "style", summary
    results = restriction.results
    if results & {"table"}:
        return "asks a table", "style", summary
    if "permit" in results:
        return "may let pass", "ok", summary
    if results & {"reject", "defer"}:
        return "may refuse", "style", summary
    return "", "", summary


def _end(name: str, steps: bool) -> str:
    if name not in words.LISTS:
        return "End of the list."
    return "End of the list: lets pass." if steps else "The list is empty: it lets pass."
