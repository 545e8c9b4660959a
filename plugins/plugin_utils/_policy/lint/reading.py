# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading a policy without stumbling: a value whose macros are broken is another rule's matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import (
    Element,
    Kind,
    PolicyError,
    Service,
    TableContent,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import master_cf, words

LISTS = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
    "smtpd_etrn_restrictions",
)
"""In the order in which a session meets them."""

PUBLIC_MX = frozenset({"smtp", "25"})
SUBMISSION = frozenset({"submission", "587"})
SUBMISSIONS = frozenset({"submissions", "smtps", "465"})
"""/etc/services: smtps is what submissions was called before RFC 8314."""


def services(policy: Policy) -> Iterator[tuple[str, Settings]]:
    """Each service that runs smtpd, with its settings; the first of a name only."""
    seen: set[str] = set()
    for service in policy.smtpd_services():
        if service.key not in seen:
            seen.add(service.key)
            yield service.key, policy.settings(service.key)


def value(settings: Settings, name: str) -> str:
    """:return: the expanded value; empty where it cannot be expanded"""
    try:
        return settings[name]
    except PolicyError:
        return ""


def flag(settings: Settings, name: str) -> bool:
    return value(settings, name).strip().lower() == "yes"


def split(settings: Settings, name: str) -> tuple[str, ...]:
    """Words of a list, braces kept."""
    return tuple(str(word) for word in words.split(value(settings, name)))


def elements(settings: Settings, name: str) -> tuple[Element, ...]:
    try:
        return settings.elements(name)
    except PolicyError:
        return ()


def walk(settings: Settings, name: str) -> Iterator[tuple[Element, Element]]:
    """Each element of a list and of the classes it names, with the element of the list itself that leads there.

    A class is looked into where it is first named; classes may be many, deep and circular.
    """
    seen: set[str] = set()
    for element in elements(settings, name):
        pending = [element]
        while pending:
            inner = pending.pop()
            yield inner, element
            if inner.kind is Kind.CLASS and inner.name not in seen:
                seen.add(inner.name)
                pending.extend(reversed(settings.classes.get(inner.name, ())))


def ports(service: Service) -> str:
    """:return: what the service listens on: ``smtp`` of ``192.0.2.1:smtp``"""
    return service.name.rpartition(":")[2]


def is_public_mx(service: Service) -> bool:
    """Port 25, directly or behind postscreen (which hands connections to ``smtpd pass``)."""
    return (
        service.type == "inet" and ports(service) in PUBLIC_MX and not is_loopback(service)
    ) or service.type == "pass"


def is_submission(service: Service) -> bool:
    """587 or 465, by number or name."""
    return service.type == "inet" and ports(service) in SUBMISSION | SUBMISSIONS and not is_loopback(service)


def is_loopback(service: Service) -> bool:
    """Only this machine reaches it."""
    host = service.name.rpartition(":")[0].strip("[]").lower()
    return host.startswith("127.") or host in {"localhost", "::1"}


def has_master(policy: Policy) -> bool:
    """Whether master.cf was given, rather than the stock services assumed."""
    return policy.services != master_cf.read(None)


def table_entries(content: TableContent) -> Iterator[tuple[str, str]]:
    """Key and result of each entry of a table's source, or of its mapping; patterns as they stand."""
    if isinstance(content, Mapping):
        yield from ((str(key), str(result)) for key, result in content.items())
        return
    logical: list[str] = []
    for line in content.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t" and logical:
            logical[-1] += " " + line.strip()
        else:
            logical.append(line.strip())
    for line in logical:
        key, _space, result = line.partition(" ") if "\t" not in line.split(" ", 1)[0] else line.partition("\t")
        yield key, result.strip()


def content_of(policy: Policy, reference: str) -> TableContent | None:
    """:return: what is known of the table ``type:path``; None when nothing is"""
    for name in (reference, reference.partition(":")[2]):
        if name in policy.tables:
            return policy.tables[name]
    return None
