# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restriction classes: named, defined, used, and not in a circle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import lookup
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.reading import table_entries
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import Service, each_service, services
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Element, Finding, Kind, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy

CYCLE = FindingKind(
    code="class-cycle",
    severity=Severity.DEFERRED,
    title="A class that contains itself",
    wrong="The class names itself, directly or through other classes.",
    happens="smtpd overruns its stack and dies by signal 11, at its start or within each session that gets there.",
    example="smtpd_restriction_classes = strict\nstrict = reject_unknown_client_hostname, strict\n"
    "smtpd_client_restrictions = permit_mynetworks, strict",
    right="smtpd_restriction_classes = strict\nstrict = reject_unknown_client_hostname\n"
    "smtpd_client_restrictions = permit_mynetworks, strict",
    source="src/smtpd/smtpd_check.c: has_required and generic_checks have no limit",
)
UNDEFINED = FindingKind(
    code="undefined-class",
    severity=Severity.DEFERRED,
    title="A class without a definition",
    wrong="smtpd_restriction_classes names a class, and there is no parameter of that name, or it is empty.",
    happens="smtpd does not start (fatal: restriction class needs a definition): nobody can send or receive.",
    example="smtpd_restriction_classes = strict, lax\nstrict = reject_unknown_client_hostname\n"
    "smtpd_client_restrictions = permit_mynetworks, strict",
    right="smtpd_restriction_classes = strict\nstrict = reject_unknown_client_hostname\n"
    "smtpd_client_restrictions = permit_mynetworks, strict",
    source="RESTRICTION_CLASS_README; src/smtpd/smtpd_check.c: smtpd_check_init",
)
UNUSED = FindingKind(
    code="unused-class",
    severity=Severity.IDLE,
    title="A class that nothing names",
    wrong="The class is declared and defined, but no list, class or table that is known here names it.",
    happens="Its restrictions are never asked.",
    example="smtpd_restriction_classes = strict\nstrict = reject_unknown_client_hostname",
    right="smtpd_restriction_classes = strict\nstrict = reject_unknown_client_hostname\n"
    "smtpd_client_restrictions = permit_mynetworks, strict",
    source="RESTRICTION_CLASS_README",
)
SHADOWED = FindingKind(
    code="class-named-like-restriction",
    severity=Severity.IDLE,
    title="A class with the name of a restriction",
    wrong="Postfix looks for its own restrictions first, whatever their case; a class of the same name is never found.",
    happens="The built-in restriction is asked instead of the class.",
    example="smtpd_restriction_classes = reject_unlisted_sender\n"
    "reject_unlisted_sender = check_sender_access inline:{example.com=REJECT}\n"
    "smtpd_sender_restrictions = permit_mynetworks, reject_unlisted_sender",
    right="smtpd_restriction_classes = unwanted_senders\n"
    "unwanted_senders = check_sender_access inline:{example.com=REJECT}\n"
    "smtpd_sender_restrictions = permit_mynetworks, unwanted_senders",
    source="src/smtpd/smtpd_check.c: generic_checks",
)

KINDS = (CYCLE, UNDEFINED, UNUSED, SHADOWED)


def _declared(service: Service) -> list[str]:
    return list(dict.fromkeys(service.text("smtpd_restriction_classes").replace(",", " ").split()))


def _undefined(service: Service) -> Iterator[Finding]:
    for name in _declared(service):
        if not service.text(name).strip() and lookup(name) is None:
            message = f"The class {name} is declared in smtpd_restriction_classes but has no definition."
            fix = f"{name} = (its restrictions), or leave {name} out of smtpd_restriction_classes"
            yield find(UNDEFINED, "smtpd_restriction_classes", message, fix, service=service.key, element=name)


def _shadowed(service: Service) -> Iterator[Finding]:
    for name in _declared(service):
        if (entry := lookup(name)) is not None and entry.implemented:
            message = f"{name} is the name of a restriction of Postfix; a class of that name is never asked."
            fix = f"smtpd_restriction_classes = my_{name.lower()}"
            yield find(SHADOWED, "smtpd_restriction_classes", message, fix, service=service.key, element=name)


def _cycles(service: Service) -> Iterator[Finding]:
    done: set[str] = set()
    for name in service.classes:
        if name not in done:
            yield from _cycles_from(service, name, done)


def _cycles_from(service: Service, start: str, done: set[str]) -> Iterator[Finding]:
    """Depth first; an edge to a class that is still open closes a circle."""
    path: dict[str, Iterator[Element]] = {start: iter(service.classes[start])}
    while path:
        name = next(reversed(path), start)
        element = next(path[name], None)
        if element is None:
            path.pop(name)
            done.add(name)
            continue
        inner = element.name
        if element.kind is not Kind.CLASS or inner not in service.classes or inner in done:
            continue
        if inner in path:
            circle = [*list(path)[list(path).index(inner) :], inner]
            message = f"The class contains itself: {' -> '.join(circle)}."
            fix = f"leave {element} out of {name}"
            yield find(CYCLE, name, message, fix, service=service.key, element=element)
        else:
            path[inner] = iter(service.classes[inner])


def _unused(policy: Policy) -> Iterator[Finding]:
    served = list(services(policy))
    used: set[str] = set()
    declared: dict[str, None] = {}
    for service in served:
        declared.update(dict.fromkeys(_declared(service)))
        used |= service.reached_classes
        for place in service.everywhere:
            if ":" in (text := str(place.element)):
                used |= _words(text)
    results = " ".join(result for content in policy.tables.values() for _key, result in _entries(content))
    used |= _words(results)
    # A class may also be the answer of a table or policy service whose content nobody told.
    if not declared or any(_looks_elsewhere(policy, service) for service in served):
        return
    for name in declared:
        if name not in used and lookup(name) is None:
            message = f"No list, class or table names the class {name}."
            fix = f"name {name} in a list, or leave it out of smtpd_restriction_classes"
            yield find(UNUSED, "smtpd_restriction_classes", message, fix, element=name)


def _entries(content: str | Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from table_entries(content)


def _words(text: str) -> set[str]:
    for sign in ",={}:":
        text = text.replace(sign, " ")
    return set(text.split())


def _looks_elsewhere(policy: Policy, service: Service) -> bool:
    """Whether an answer from somewhere unknown may name a class."""
    for place in service.everywhere:
        element = place.element
        if place.name == "check_policy_service":
            return True
        reference = element.name if element.kind is Kind.TABLE else str(element.argument or "")
        kind, __, name = reference.partition(":")
        if not name or kind in {"inline", "static"} or name.startswith("{"):
            continue
        if reference not in policy.tables and name not in policy.tables:
            return True
    return False


RULES = (each_service(_undefined, _shadowed, _cycles), _unused)
