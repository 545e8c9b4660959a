# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about MTA-STS in both directions, and about the web server that serves policies and settings."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._addresses import (
    canonical_domain,
    domain_problem,
    hostname_problem,
)
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import (
    Mistake,
    Severity,
    did_you_mean,
    listed,
    shown,
)
from ansible_collections.postern.mail.plugins.plugin_utils._web import LONGEST_AGE

_SERVICES = ("imaps", "pop3s", "submissions", "submission")
_DAY = 86400
# By variable: the least, the most, and what is wrong beyond.
_RANGES: Mapping[str, tuple[int, int, str]] = {
    "web_mta_sts_max_age": (
        _DAY,
        LONGEST_AGE,
        "a policy that is kept for less than a day protects nobody, and RFC 8461 3.2 allows a year at most",
    ),
    "mta_sts_timeout": (1, 60, "mail waits meanwhile, and RFC 8461 3.3 suggests a minute at most"),
    "mta_sts_refresh": (
        3600,
        7 * _DAY,
        "policies must not run out between, and their servers not be asked all the time",
    ),
}
_PATH = re.compile(r"/[^\s;{}'\"$\\]+")


def domains(inventory: Inventory) -> Iterator[Mistake]:
    served = {canonical_domain(name) for __, name in inventory.texts("web_domains")}
    if "web_domains" in inventory.changed and inventory.domains_known:
        for index, name in inventory.texts("web_domains"):
            if canonical_domain(name) not in inventory.domains:
                reason = f"it is not in mail_domains{did_you_mean(name, inventory.domains)}"
                fix = f"Choose from {listed(inventory.domains)}"
                yield Mistake("web-domain", "web_domains", reason, fix, f"[{index}]", shown(name))
    for index, name in inventory.texts("web_apex_domains"):
        if served and canonical_domain(name) not in served:
            reason = f"it is not in web_domains{did_you_mean(name, served)}"
            yield Mistake(
                "web-domain", "web_apex_domains", reason, f"Choose from {listed(served)}", f"[{index}]", shown(name)
            )


def mx_hosts(inventory: Inventory) -> Iterator[Mistake]:
    variable = "web_mta_sts_mx_extra"
    for index, name in inventory.texts(variable):
        if problem := domain_problem(name.removeprefix("*.")):
            fix = "Write the name in the MX record, or a pattern such as *.example.net"
            yield Mistake("mta-sts-mx", variable, problem.reason, fix, f"[{index}]", shown(name))


def numbers(inventory: Inventory) -> Iterator[Mistake]:
    for variable, (low, high, reason) in _RANGES.items():
        number = _number(inventory.values.get(variable))
        if number is not None and not low <= number <= high:
            fix = f"Write a number of seconds from {low} to {high}"
            yield Mistake("mta-sts-time", variable, reason, fix, value=str(number))


def _number(value: Any) -> int | None:
    text = str(value)
    return int(text) if not isinstance(value, bool) and re.fullmatch(r"-?\d+", text, re.ASCII) else None


def enforce(inventory: Inventory) -> Iterator[Mistake]:
    """What can be known here; whether a certificate on the host is good is asked there."""
    if "web" not in inventory.features:
        return
    stage = inventory.text("web_mta_sts_stage")
    own = {"mail_certificate_file", "mail_certificate_content"} & inventory.changed
    if stage in ("testing", "enforce") and not own and "certbot" not in inventory.features:
        reason = (
            f"the policy is {stage}, and the certificate is the self-signed one, with which nobody can read the policy"
        )
        fix = "Add certbot to mail_features, or set mail_certificate_file or mail_certificate_content to a real one"
        severity: Severity = "error" if stage == "enforce" else "warning"
        yield Mistake("mta-sts-certificate", "web_mta_sts_stage", reason, fix, value=stage, severity=severity)
    if stage == "enforce" and "certbot" in inventory.features and _is_staging(inventory):
        reason = "senders trust no certificate of a staging authority, and would keep their mail for you"
        fix = "Write testing as long as certbot_staging is true"
        yield Mistake("mta-sts-certificate", "web_mta_sts_stage", reason, fix, value=stage)
    given = inventory.text("dns_mta_sts_id")
    if given and stage in ("none", "testing", "enforce"):
        reason = "the identifier follows from the policy that web serves, and there would be two records"
        fix = 'Remove it; or write web_mta_sts_stage: "off", if the policy is served elsewhere'
        yield Mistake("mta-sts-id", "dns_mta_sts_id", reason, fix, value=shown(given))


def _is_staging(inventory: Inventory) -> bool:
    return inventory.values.get("certbot_staging") is True or "//acme-staging" in inventory.text("certbot_server")


def dane_first(inventory: Inventory) -> Iterator[Mistake]:
    if "mta_sts" not in inventory.features or "mta_sts_dane" not in inventory.changed:
        return
    wanted, dane = inventory.values.get("mta_sts_dane"), "dane" in inventory.features
    if wanted is True and not dane:
        reason = "Postfix would be told to use DANE, and does not ask DNS for it without the feature dane"
        yield Mistake(
            "mta-sts-dane", "mta_sts_dane", reason, "Add dane to mail_features, or remove the line", value="true"
        )
    elif wanted is False and dane:
        reason = "a policy of MTA-STS then makes up for DANE that fails, which RFC 8461 2 forbids"
        yield Mistake("mta-sts-dane", "mta_sts_dane", reason, "Remove the line", value="false", severity="warning")


def services(inventory: Inventory) -> Iterator[Mistake]:
    variable, ports = "web_services", inventory.values.get("web_services")
    if not isinstance(ports, Mapping):
        return
    for name, port in ports.items():
        number, at = _number(port), f".{name}"
        if name not in _SERVICES:
            reason = f"there is no such service{did_you_mean(str(name), _SERVICES, 0.6)}"
            yield Mistake("web-service", variable, reason, f"Choose from {listed(_SERVICES)}", at, shown(port))
        elif number is None or not 0 <= number <= 65535:
            fix = "Write for example: 993, or 0 where it is not offered"
            yield Mistake("web-service", variable, "a port is a number up to 65535", fix, at, shown(port))
    reading, sending = (
        {name for name in names if _number(ports.get(name))} for names in (_SERVICES[:2], _SERVICES[2:])
    )
    if inventory.values.get("web_clients") and variable in inventory.changed and not (reading and sending):
        reason = "mail programs are to be told where to read and to send mail, and one of the two is not offered"
        yield Mistake("web-service", variable, reason, "Name a port for each, or write: web_clients: []")


def words(inventory: Inventory) -> Iterator[Mistake]:
    name = inventory.text("web_mail_hostname")
    if "web_mail_hostname" in inventory.changed and name and (problem := hostname_problem(name)):
        yield Mistake("web-name", "web_mail_hostname", problem.reason, problem.fix, value=shown(name))
    display = inventory.text("web_display_name")
    if not display.isprintable():
        yield Mistake("web-name", "web_display_name", "it has control characters", "Write one line of text")
    for index, path in inventory.texts("web_include"):
        if not _PATH.fullmatch(path):
            fix = "Write for example: /etc/nginx/sites-enabled/*"
            yield Mistake("web-include", "web_include", "it is no absolute path", fix, f"[{index}]", shown(path))
    for index, address in inventory.texts("web_listen"):
        if address != "*" and not _is_listen_address(address):
            fix = 'Write "*", "[::]", or an address of this machine such as 192.0.2.25 or "[2001:db8::25]"'
            yield Mistake("web-listen", "web_listen", "it is no address for nginx", fix, f"[{index}]", shown(address))
    if inventory.values.get("web_listen") == []:
        yield Mistake(
            "web-listen", "web_listen", "it is empty: nobody could connect", 'Write for example: ["*", "[::]"]'
        )


def _is_listen_address(text: str) -> bool:
    try:
        if text.startswith("[") and text.endswith("]"):
            return ipaddress.ip_address(text[1:-1]).version == 6
        return ipaddress.ip_address(text).version == 4
    except ValueError:
        return False


RULES: tuple[Callable[[Inventory], Iterator[Mistake]], ...] = (
    domains,
    mx_hosts,
    numbers,
    enforce,
    dane_first,
    services,
    words,
)
