# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parameters of main.cf: which there are, their defaults by release, and what a daemon makes of their values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.parameters_data import DATA as DEFAULTS
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError, Service, Version
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import expand

NEWEST: Version = (3, 12)
"""The newest release known here; later ones are taken for it."""

RAW = frozenset({"default_rbl_reply", "smtpd_expansion_filter", "smtpd_reject_footer"})
"""Parameters whose macros smtpd leaves for the time of the reply."""

LARGEST_INT = 2**31 - 1

# Found out on the host or by the daemon; these are what a host without a name and without a network would say.
_COMPUTED = {
    "myhostname": "localhost.localdomain",
    "mydomain": "localdomain",
    "mynetworks": "",
    "process_id": "1",
    "process_name": "smtpd",
    "service_name": "",
    "mail_version": "",
    "mail_release_date": "",
}
_RELEASES: dict[Version, str] = {(3, 7): "3.7.11", (3, 10): "3.10.13", (3, 11): "3.11.7"}

# Postfix makes one of each for every transport of master.cf (postconf(5), "transport-specific parameters").
TRANSPORT_SUFFIXES = (
    "_delivery_slot_cost",
    "_delivery_slot_discount",
    "_delivery_slot_loan",
    "_destination_concurrency_failed_cohort_limit",
    "_destination_concurrency_limit",
    "_destination_concurrency_negative_feedback",
    "_destination_concurrency_positive_feedback",
    "_destination_rate_delay",
    "_destination_recipient_limit",
    "_extra_recipient_limit",
    "_initial_destination_concurrency",
    "_minimum_delivery_slots",
    "_recipient_limit",
    "_recipient_refill_delay",
    "_recipient_refill_limit",
    "_time_limit",
    "_transport_rate_delay",
)


def default(name: str, version: Version) -> str | None:
    """Default as ``postconf -d`` prints it, with its macros; None where that release has no such parameter."""
    return defaults(version).get(name)


@lru_cache(maxsize=32)
def defaults(version: Version) -> dict[str, str]:
    """All defaults of a release, unexpanded."""
    found: dict[str, str] = {}
    for name, value in DEFAULTS.items():
        if isinstance(value, str):
            found[name] = value
            continue
        steps = [text for since, text in value.items() if since <= version]
        if steps and steps[-1] is not None:
            found[name] = steps[-1]
    found.update(_COMPUTED)
    found["mail_version"] = _RELEASES.get(version, ".".join(str(part) for part in (*version, 0)))
    return found


@lru_cache(maxsize=1)
def _mentioned() -> frozenset[str]:
    """Old names, which live on in the defaults of the new ones."""
    found: set[str] = set()
    for value in DEFAULTS.values():
        for text in [value] if isinstance(value, str) else value.values():
            found |= expand.names(text or "")
    return frozenset(found)


def known_names(version: Version | None = None) -> frozenset[str]:
    """Names of all parameters of a release (None: of any), obsolete names that still work included."""
    own = DEFAULTS.keys() | _COMPUTED.keys() if version is None else defaults(version).keys()
    return frozenset(own) | _mentioned()


KNOWN = known_names()
"""Names of all parameters of all releases, without those made for transports."""


def is_known(name: str, services: Iterable[Service] = (), version: Version | None = None) -> bool:
    """Whether Postfix reads that parameter: one of its own, or one of a transport in master.cf."""
    if name in (KNOWN if version is None else known_names(version)):
        return True
    transports = {service.name for service in services} | {"default", "smtp", "lmtp", "relay", "local", "virtual"}
    return any(name.endswith(suffix) and name[: -len(suffix)] in transports for suffix in TRANSPORT_SUFFIXES)


def boolean(name: str, value: str) -> bool:
    """:raises PolicyError: neither yes nor no; fatal for the daemon"""
    if value.lower() in ("yes", "no") and value.isascii():
        return value.lower() == "yes"
    raise PolicyError(f"bad boolean configuration: {name} = {value}")


def number(name: str, value: str, most: int = LARGEST_INT) -> int:
    """A number as strtol reads it: blanks and a sign may stand before it, nothing after it.

    :raises PolicyError: no number, or too large; fatal for the daemon
    """
    digits = value.lstrip(" \t\n\v\f\r")
    unsigned = digits[1:] if digits[:1] in ("-", "+") else digits
    if unsigned.isascii() and unsigned.isdigit() and len(unsigned) < 40 and -most - 1 <= int(digits) <= most:
        return int(digits)
    raise PolicyError(f"bad numerical configuration: {name} = {value}")


# As strtol takes it; without digits it is 0.
_TIME = re.compile(r"[ \t\n\v\f\r]*\+?([0-9]+)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(name: str, value: str, unit: str = "s") -> int:
    """Seconds of ``10``, ``10s``, ``5m``; what follows the unit's first letter is ignored, as in conv_time.c.

    :param unit: of a bare number, the unit of the parameter's default
    :raises PolicyError: fatal for the daemon
    """
    match = _TIME.match(value)
    digits, rest = (match[1], value[match.end() :]) if match else ("0", value)
    factor = _UNITS.get(rest[:1] or unit)
    if value and factor and len(digits) < 20 and int(digits) * factor <= LARGEST_INT:
        return int(digits) * factor
    raise PolicyError(f"parameter {name}: bad time value or unit: {value}")
