# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The access policy that the role postfix is about to write, and which variable each part of it comes from."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._content.places import place_of, sound
from ansible_collections.postern.mail.plugins.plugin_utils._findings_cache import FindingsCache
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory, texts_in
from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.advice_text import advice
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import main_cf, words
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.expand import expand
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.rich import normalise
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import Service, Value, render_main, render_master
from ansible_collections.postern.mail.plugins.plugin_utils._postfix_merge import restriction_text

EXTRA, SERVICES, CONTRIBUTIONS = "postfix_main_cf_extra", "postfix_services_extra", "postfix_contributions"
_STAGES = ("client", "helo", "sender", "relay", "recipient", "data")
LIST_VARIABLES = [f"postfix_{service}_{stage}_restrictions" for service in ("smtp", "submission") for stage in _STAGES]
_KEYS = {"smtpd": ("postfix_smtp", "restrictions"), "submission": ("postfix_submission", "submission_restrictions")}
_LIST = re.compile(rf"(smtpd|submission)_({'|'.join(_STAGES)})_restrictions")
_REFERENCE = re.compile(r"\$\{?(\w+)\}?")
# Parameters that a variable of their own sets, word for word.
_VARIABLES = {
    "mynetworks": "postfix_mynetworks",
    "inet_interfaces": "postfix_inet_interfaces",
    "inet_protocols": "postfix_inet_protocols",
    "myhostname": "postfix_hostname",
    "recipient_delimiter": "postfix_recipient_delimiter",
}


def whole_lists(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The lists that have elements which say no restriction, without these: the rest is judged all the same."""
    lists = {name: values[name] for name in LIST_VARIABLES if isinstance(values.get(name), list)}
    whole = {name: [item for item in value if says_something(item)] for name, value in lists.items()}
    return {name: value for name, value in whole.items() if len(value) < len(lists[name])} | sound(values)


def says_something(item: Any) -> bool:
    """Whether an element of a list is one or more restrictions, right or wrong."""
    texts, problems = normalise([item])
    return bool(texts) and not problems


@dataclass(frozen=True)
class Place:
    """Where an administrator changes what a finding is about.

    :param element: inside the variable, such as ``[2]`` or ``.mynetworks``
    :param value: what stands there; empty where that is not one text
    :param by: the role that adds it, where it is none of the user's own
    """

    variable: str
    element: str = ""
    value: str = ""
    by: str = ""


@dataclass(frozen=True)
class Written:
    """What the templates of main.cf and master.cf get, and the tables beside them.

    :param sections: parts of main.cf, each with ``settings``
    :param services: services of master.cf
    :param files: ``path`` below directory and ``content``
    """

    version: str
    directory: str
    sections: Sequence[Mapping[str, Any]]
    services: Sequence[Mapping[str, Any]]
    files: Sequence[Mapping[str, str]]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Written:
        """:param data: the role's ``__postfix_policy``"""
        return cls(data["version"], data["directory"], data["main_cf"], data["services"], data["files"])

    @functools.cached_property
    def settings(self) -> dict[str, Value]:
        return {name: value for section in self.sections for name, value in section["settings"].items()}

    @functools.cached_property
    def main_cf(self) -> str:
        """:raises PostfixError: the data cannot be written"""
        return "".join(render_main(section["settings"]) for section in self.sections)

    @functools.cached_property
    def master_cf(self) -> str:
        """:raises PostfixError: the data cannot be written"""
        return render_master(Service.from_data(service) for service in self.services)

    @functools.cached_property
    def policy(self) -> Policy:
        """:raises PostfixError, PolicyError: the data cannot be written, or Postfix could not read it"""
        tables = {f"{self.directory}/{file['path']}": file["content"] for file in self.files}
        parameters = main_cf.parse(self.main_cf).parameters
        return Policy.of(parameters, version=self.version, tables=tables, master=self.master_cf)

    def findings(self, cache: FindingsCache) -> list[Finding]:
        """:raises PostfixError, PolicyError: as above"""

        def judged() -> list[Finding]:
            # Not before it is needed: the linter is the largest part of the collection.
            from ansible_collections.postern.mail.plugins.plugin_utils._policy.judgement import judge

            return judge(self.policy)

        files = [text for file in self.files for text in (file["path"], file["content"])]
        return cache.findings([self.version, self.directory, self.main_cf, self.master_cf, *files], judged)

    def place(self, finding: Finding, inventory: Inventory) -> Place:
        """The variable and element to change, as near as they are known."""
        if not finding.parameter:
            return _service_place(finding.service, "", inventory)
        ours = place_of(finding.parameter, finding.element, inventory.values)
        if ours:
            return Place(*ours, finding.element)
        name, override = finding.parameter, self._override(finding)
        if override is not None:
            reference = _REFERENCE.fullmatch(override)
            if not reference:
                place = _service_place(finding.service, f".options.{name}", inventory)
                return self._in_options(place, finding, inventory)
            name = reference[1]
        elif any(_is_service(entry, finding.service) for _index, entry in inventory.dicts(SERVICES)):
            # A service of the user's own that has no such option, as it should.
            return replace(_service_place(finding.service, f".options.{name}", inventory), value=finding.element)
        return self._setting_place(name, finding, inventory)

    def fix(self, finding: Finding) -> str:
        """What to write; where that is a list or a parameter that a variable of ours sets, the variable."""
        option = re.search(r"-o (\w+)=(\S+?)(?: to \S+)?$", finding.fix)
        setting = re.fullmatch(r"(?:Write )?(\w+) = ((?:(?! or | and ).)+)", finding.fix)
        name, value = (finding.parameter, finding.fix) if self._is_other_order(finding) else ("", "")
        if option or setting:
            name, value = (option or setting).groups()  # type: ignore[union-attr]
        override = self._override(replace(finding, parameter=name))
        reference = _REFERENCE.fullmatch(override or "")
        parts = _LIST.fullmatch(reference[1] if reference else name)
        ours = finding.service in ("", "smtp/inet") and override is None and not option
        if parts and (reference or ours):
            items = ", ".join(_quoted(words.plain(element)) for element in words.parse_list(value))
            return f"Write: {_KEYS[parts[1]][0]}_{parts[2]}_restrictions: [{items}]"
        if setting and ours and name in _STAGED:
            return f"Take {_STAGED[name][1:]} out of postscreen_stage, or accept the finding with your reason"
        if setting and ours and name in self.settings and name not in _VARIABLES:
            return f"Write: {EXTRA}: {{{name}: {_quoted(value)}}}"
        return advice(finding)

    def _is_other_order(self, finding: Finding) -> bool:
        """Whether the fix is the list itself with its elements in another order."""
        if not _LIST.fullmatch(finding.parameter) or finding.index is None:
            return False
        current = sorted(map(str, self._settings(finding).elements(finding.parameter)))
        return len(current) > 1 and sorted(map(str, words.parse_list(finding.fix))) == current

    def _in_options(self, place: Place, finding: Finding, inventory: Inventory) -> Place:
        """The item of a list in the options of a service of the user's own."""
        for _index, entry in inventory.dicts(SERVICES):
            options = entry.get("options")
            if _is_service(entry, finding.service) and isinstance(options, Mapping):
                value = options.get(finding.parameter)
                position = self._position(value, finding)
                if position is not None:
                    return replace(place, element=f"{place.element}[{position}]", value=texts_in(value)[position])
        return replace(place, value="")

    def _override(self, finding: Finding) -> str | None:
        for service in self.policy.services:
            if service.key == finding.service:
                return service.overrides.get(finding.parameter)
        return None

    def _setting_place(self, name: str, finding: Finding, inventory: Inventory) -> Place:
        value = self.settings.get(name)
        position = self._position(value, finding)
        item = texts_in(value)[position] if position is not None else ""
        extra = inventory.values.get(EXTRA)
        if isinstance(extra, Mapping) and name in extra:
            return Place(EXTRA, f".{name}" + (f"[{position}]" if position is not None else ""), item)
        parts = _LIST.fullmatch(name)
        if parts:
            prefix, key = _KEYS[parts[1]]
            return _list_place(
                f"{prefix}_{parts[2]}_restrictions", key, parts[2], item, self._nth(value, position), inventory
            )
        if name in _VARIABLES:
            return Place(_VARIABLES[name], f"[{position}]" if position is not None else "", item)
        if is_ours(name, inventory):
            return _own_place(name, position, item or finding.element)
        return Place(EXTRA, f".{name}", item or finding.element, by=_setter(name, inventory))

    @staticmethod
    def _nth(value: Value, position: int | None) -> int:
        """How many equal items stand before this one."""
        items = texts_in(value)
        return items[:position].count(items[position]) if position is not None else 0

    def _position(self, value: Value, finding: Finding) -> int | None:
        """The item of a YAML list that holds the finding's element: an item may be several words or elements."""
        if finding.index is None or not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return None
        settings = self._settings(finding)
        word = finding.index
        if finding.parameter.endswith("_restrictions"):
            word = sum(len(element.words) for element in settings.elements(finding.parameter)[: finding.index])
        for position, item in enumerate(value):
            word -= len(words.split(_expanded(item, settings)))
            if word < 0:
                return position
        return None

    def _settings(self, finding: Finding) -> Settings:
        return self.policy.settings(finding.service) if finding.service else self.policy.settings()


def _quoted(text: str) -> str:
    """As YAML takes it inside brackets."""
    plain = re.fullmatch(r"[A-Za-z/$][\w/ .$-]*", text) and text.lower() not in (
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
    )
    return text if plain else f'"{text}"'


def _expanded(text: str, settings: Settings) -> str:
    try:
        return expand(text, settings.raw)
    except PolicyError:
        return text


def _list_place(variable: str, key: str, stage: str, item: str, nth: int, inventory: Inventory) -> Place:
    value = inventory.values.get(variable)
    elements = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    own = [index for index, element in enumerate(elements) if _text(element) == item]
    if not item:
        return Place(variable)
    ours = place_of(item.partition(" ")[2], "", inventory.values)
    if ours:
        return Place(ours[0], "", item)
    if nth < len(own):
        return Place(variable, f"[{own[nth]}]", item)
    for who, contribution in _contributions(inventory):
        lists = contribution.get(key)
        added = lists.get(stage) if isinstance(lists, Mapping) else None
        if isinstance(added, list) and item in map(restriction_text, added):
            return Place(variable, "", item, by=who)
    return Place(variable, "", item)


def _text(element: Any) -> str:
    return element if isinstance(element, str) else " ".join(normalise([element])[0])


def _is_service(entry: Mapping[str, Any], key: str) -> bool:
    return f"{entry.get('name')}/{entry.get('type')}" == key


def _service_place(service: str, element: str, inventory: Inventory) -> Place:
    for index, entry in inventory.dicts(SERVICES):
        if _is_service(entry, service):
            return Place(SERVICES, f"[{index}]{element}", service)
    for who, contribution in _contributions(inventory):
        services = contribution.get("services")
        for entry in services if isinstance(services, list) else []:
            if isinstance(entry, Mapping) and _is_service(entry, service):
                return Place(SERVICES, "", service, by=who)
    return Place(SERVICES, "", service)


def _setter(name: str, inventory: Inventory) -> str:
    for who, contribution in _contributions(inventory):
        settings = contribution.get("main_cf")
        if isinstance(settings, Mapping) and name in settings:
            return who
    return ""


def is_ours(name: str, inventory: Inventory) -> bool:
    """Whether a role sets a parameter by variables that its administrator knows by the same name."""
    return bool(_setter(name, inventory)) and name in {**_STAGED, **_SAME_NAME} | dict.fromkeys(inventory.values)


# Parameters of contributions whose variable has another name, and those whose variable has the same name but a letter.
_STAGED = {
    f"postscreen_{test}_{what}": f".{test}"
    for test in ("greet", "dnsbl", "denylist", "pipelining", "non_smtp_command", "bare_newline")
    for what in ("action", "enable")
}
_SAME_NAME = {"postscreen_dnsbl_allowlist_threshold": "postscreen_dnsbl_allow_threshold"}


def _own_place(name: str, position: int | None, value: str) -> Place:
    if name in _STAGED:
        return Place("postscreen_stage", _STAGED[name], value)
    return Place(_SAME_NAME.get(name, name), f"[{position}]" if position is not None else "", value)


def secrets_of(inventory: Inventory) -> list[str]:
    """Keys inside parameters, which are never shown; the longest first."""
    found = [text for __, contribution in _contributions(inventory) for text in texts_in(contribution.get("secrets"))]
    return sorted(filter(None, found), key=len, reverse=True)


def _contributions(inventory: Inventory) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for _index, contribution in inventory.dicts(CONTRIBUTIONS):
        yield str(contribution.get("name", "")), contribution
