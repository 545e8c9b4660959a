# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which service of master.cf somebody means who says a port, a name, or what stands in the log."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError, Service
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy

_SAME = (("smtp", "25"), ("submission", "587"), ("submissions", "smtps", "465"))


def find_service(policy: Policy, wanted: str) -> Service:
    """The smtpd behind a name such as ``smtp``, ``25``, ``submission/inet`` or ``postfix/submission``.

    The one behind postscreen is found under the name of postscreen's port.

    :raises PolicyError: there is none; the text names those that exist
    """
    services = policy.smtpd_services()
    for name in _names(wanted):
        for service in services:
            if name in (service.key, service.name, _logged_as(policy, service)):
                return service
        if any(_name(each.name) == name and each.command.endswith("postscreen") for each in policy.services):
            for service in services:
                if service.type == "pass":
                    return service
        for service in services:
            if _name(service.name) == name:
                return service
    there = ", ".join(service.key for service in services) or "none"
    raise PolicyError(f"service={wanted}: master.cf has no such smtpd. Those that it has: {there}")


def _names(wanted: str) -> Iterator[str]:
    """The name as given, then others for the same port."""
    yield wanted
    name = wanted.removesuffix("/inet")
    yield name
    for same in _SAME:
        if name in same:
            yield from same


def _name(name: str) -> str:
    """Without the address before it: ``587`` of ``192.0.2.1:587``."""
    return name.rpartition(":")[2]


def _logged_as(policy: Policy, service: Service) -> str:
    """What syslog_name puts between ``postfix/`` and ``/smtpd``."""
    try:
        return (
            policy.settings(service.key)["syslog_name"].rpartition("/")[2] if "syslog_name" in service.overrides else ""
        )
    except PolicyError:
        return ""
