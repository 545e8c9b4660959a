# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One restriction list by itself: its plain form, and what is wrong with it wherever it is used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import did_you_mean
from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.advice_text import advice
from ansible_collections.postern.mail.plugins.plugin_utils._policy.inputs import Reader, explained
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import logins, order, personas
from ansible_collections.postern.mail.plugins.plugin_utils._policy.linter import lint
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import words
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.rich import normalise

STAGES = ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data", "etrn")
# Restrictions that are wrong at this stage only are told when the stage is; the recipient list knows every attribute.
_ANY = "recipient"
_STOPS = (Severity.RELAY, Severity.LOST, Severity.DEFERRED)
# Milder where Postfix only ignores the element, but the list does not say what was meant.
_ALWAYS = frozenset({"missing-dnsbl-domain", "swallowed-restriction"})
# What these say depends on the service and on the rest of the policy, which are not known here.
_CONTEXT = personas.CODES.union({kind.code for topic in (logins, order) for kind in topic.KINDS}, {"open-relay"})


@dataclass(frozen=True)
class Judged:
    """A list with one restriction and its argument an element, and its mistakes, each with its fix."""

    elements: list[str]
    mistakes: list[str]

    def accepted(self) -> list[str]:
        """:raises PolicyError: the list has mistakes; the text has all of them"""
        if self.mistakes:
            raise PolicyError(explained(self.mistakes))
        return self.elements


def judged(value: Any, stage: Any = "", version: Any = "3.10", classes: Any = None) -> Judged:
    """:param stage: one of :data:`STAGES` or the list's parameter; empty: it may be used in any list
    :param classes: names in smtpd_restriction_classes, or name -> elements
    :raises PolicyError: the call itself is wrong, not the list
    """
    reader = Reader()
    number = reader.version(version)
    name = _parameter(reader, stage)
    known = _classes(reader, classes)
    if not isinstance(value, str | list | Mapping):
        reader.wrong("the list", f"it must be a list or text, and it is {reader.kind(value)}", "Write [] for none")
    reader.finish()
    if number is None:
        raise AssertionError("finish() raises where nothing was found")
    elements, problems = normalise(value, tuple(known))
    # A policy with Postfix's own guard against relaying, and nothing else to find fault with.
    around = {"compatibility_level": "3.6", "smtpd_helo_required": "yes", "smtpd_restriction_classes": " ".join(known)}
    params = {**around, name: ", ".join(elements), **known}
    policy = Policy.of(params, version=number)
    places = _places(value)
    found = sorted(_findings(policy, name), key=lambda finding: finding.index or 0)
    elements_of_list = policy.settings().elements(name)
    first_words = list(accumulate((len(element.words) for element in elements_of_list), initial=0))
    told = [_told(finding, places[first_words[finding.index or 0]]) for finding in found]
    return Judged(elements, [*map(str, problems), *told])


def _places(value: Any) -> list[str]:
    """For each word of the list the item it stands in, such as ``[2]``; empty where the list is one text."""
    if not isinstance(value, list):
        return [""] * len(words.split(", ".join(normalise(value)[0])))
    texts = [", ".join(normalise([item])[0]) for item in value]
    return [f"[{place}]" for place, text in enumerate(texts) for _word in words.split(text)]


def _parameter(reader: Reader, stage: Any) -> str:
    text = stage if isinstance(stage, str) else str(stage)
    short = re.sub(r"^smtpd_|_restrictions$", "", text)
    if stage is None or short == "":
        short = _ANY
    if short not in STAGES:
        guess = did_you_mean(short, STAGES)
        reader.wrong("stage", f"there is no list {text!r}{guess}", f"Lists are {', '.join(STAGES)}")
    return f"smtpd_{short}_restrictions"


def _classes(reader: Reader, value: Any) -> dict[str, str]:
    """Classes and their elements; one of which only the name is known does nothing."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        known: dict[str, str] = {}
        for name, elements in value.items():
            texts, problems = normalise(elements)
            reader.problems += [f"classes.{name}{problem}" for problem in problems]
            known[str(name)] = ", ".join(texts)
        return known
    names: Sequence[Any] = re.split(r"[,\s]+", value.strip()) if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        reader.wrong("classes", f"it must be a list of names or a dictionary, and it is {reader.kind(value)}")
        return {}
    return dict.fromkeys((name for name in names if name), "permit_auth_destination")


def _findings(policy: Policy, name: str) -> Iterator[Finding]:
    for finding in lint(policy):
        if finding.parameter != name or finding.index is None or finding.code in _CONTEXT:
            continue
        if finding.severity in _STOPS or finding.code in _ALWAYS:
            yield finding


def _told(finding: Finding, place: str) -> str:
    """One finding: what and where, then what happens, then what to write."""
    where = f"{place} {finding.element}".strip()
    return "\n".join([f"{where}: {finding.message.strip()}", finding.consequence.strip(), advice(finding)])
