# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about who the server is: name, domains, features, TLS, certificate, sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._addresses import (
    canonical_domain,
    domain_problem,
    hostname_problem,
    is_delimiter,
)
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, did_you_mean, listed, shown
from ansible_collections.postern.mail.plugins.plugin_utils._sizes import format_size, parse_size

# main.cf parameters that give a domain to another address class (Postfix ADDRESS_CLASS_README): Postfix warns
# "do not list domain in BOTH" and then delivers by whichever it finds first.
_OTHER_CLASSES = ("mydestination", "relay_domains", "virtual_alias_domains")
# What a feature cannot do without, and why.
_NEEDS = {
    "sasl": ("dovecot", "passwords are checked by Dovecot"),
    "postfix": ("dovecot", "Postfix hands all mail to Dovecot, and nobody would take it"),
    "header_guard": ("postfix", "it is a milter, and nobody would ask it"),
    "dane": ("postfix", "it is about mail between servers, and nobody would send or receive any"),
    "opendkim": ("postfix", "it is a milter, and nobody would ask it"),
    "postscreen": ("postfix", "it is part of Postfix"),
    "policyd_spf": ("postfix", "Postfix starts it, and nobody else would ask it"),
    "mta_sts": ("postfix", "it tells Postfix how mail leaves, and nobody else would ask it"),
    "opendmarc": ("postfix", "it is a milter, and nobody would ask it"),
}
# RFC 5321 section 4.5.3.1.7: every server accepts messages of 64 KiB.
_SMALLEST_LIMIT = 64 * 1024
SMALLEST_QUOTA = 1024**2


def hostname(inventory: Inventory) -> Iterator[Mistake]:
    name = inventory.values.get("mail_hostname")
    if isinstance(name, str) and (problem := hostname_problem(name)):
        yield Mistake("hostname", "mail_hostname", problem.reason, problem.fix, value=shown(name))


def domains(inventory: Inventory) -> Iterator[Mistake]:
    written = inventory.texts("mail_domains")
    if inventory.values.get("mail_domains") == []:
        fix = "Write for example: mail_domains: [example.org]"
        yield Mistake("domains", "mail_domains", "it is empty: the server would receive no mail", fix)
    seen: dict[str, int] = {}
    for index, domain in written:
        if problem := domain_problem(domain):
            yield Mistake("domain", "mail_domains", problem.reason, problem.fix, f"[{index}]", shown(domain))
        first = seen.setdefault(canonical_domain(domain), index)
        if first != index:
            other = dict(written)[first]
            reason = f"the same domain is already there as mail_domains[{first}], {shown(other)}"
            yield Mistake(
                "duplicate-domain", "mail_domains", reason, "Remove one of the two", f"[{index}]", shown(domain)
            )


def domain_classes(inventory: Inventory) -> Iterator[Mistake]:
    settings = inventory.values.get("postfix_main_cf_extra")
    if not isinstance(settings, Mapping):
        return
    for parameter in _OTHER_CLASSES:
        for name in _domains_in(settings.get(parameter), inventory.hostname):
            if name in inventory.domains:
                yield Mistake(
                    "domain-in-two-classes",
                    "postfix_main_cf_extra",
                    f"{name} is also in mail_domains, and Postfix allows a domain one way of delivery",
                    f"Take {name} out of {parameter}, or out of mail_domains",
                    f".{parameter}",
                    shown(_as_text(settings[parameter])),
                )


def _as_text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def _domains_in(value: Any, own_name: str) -> list[str]:
    """The domains in a main.cf list, with the host's own names put in for ``$myhostname`` and ``$mydomain``."""
    if value is None:
        return []
    text = re.sub(r"\$[({]?myhostname[)}]?", own_name, _as_text(value))
    text = re.sub(r"\$[({]?mydomain[)}]?", own_name.partition(".")[2], text)
    return [canonical_domain(word) for word in re.split(r"[,\s]+", text) if word]


def features(inventory: Inventory) -> Iterator[Mistake]:
    written = inventory.texts("mail_features")
    known = inventory.roles
    for index, name in written:
        if name not in known:
            reason = f"there is no such feature{did_you_mean(name, known, 0.5)}"
            yield Mistake("feature", "mail_features", reason, f"Choose from {listed(known)}", f"[{index}]", shown(name))
    if any(name not in known for _index, name in written) or not isinstance(
        inventory.values.get("mail_features"), list
    ):
        return
    if not written:
        fix = "Remove the line: the default is a complete server"
        yield Mistake("feature", "mail_features", "it is empty: nothing would be set up", fix)
    for index, name in written:
        needed, why = _NEEDS.get(name, ("", ""))
        if needed and needed in known and needed not in inventory.features:
            reason = f"{name} needs {needed}: {why}"
            fix = f"Add {needed} to mail_features, or take {name} out"
            yield Mistake("feature-needs", "mail_features", reason, fix, f"[{index}]", shown(name))


def tls_profiles(inventory: Inventory) -> Iterator[Mistake]:
    own = inventory.values.get("mail_tls_profiles_extra")
    built_in = inventory.values.get("mail_tls_profiles")
    if not isinstance(built_in, Mapping) or not isinstance(own, Mapping):
        return
    for variable in ("mail_tls_profile", "mail_tls_profile_mx"):
        name = inventory.text(variable)
        if name and name not in {*built_in, *own}:
            reason = f"there is no such TLS profile{did_you_mean(name, {*built_in, *own}, 0.5)}"
            fix = f"Choose {listed({*built_in, *own})}, or describe it in mail_tls_profiles_extra"
            yield Mistake("tls-profile", variable, reason, fix, value=shown(name))
    for name, profile in own.items():
        yield from _own_profile(str(name), profile, built_in)


def _own_profile(name: str, profile: Any, built_in: Mapping[str, Any]) -> Iterator[Mistake]:
    model: Mapping[str, Any] = next(iter(built_in.values()), {})
    if not isinstance(profile, Mapping):
        fix = f"Give it the keys {', '.join(model)}, as the profiles in roles/mail/vars/main/tls_profiles.yml have them"
        yield Mistake("tls-profile", "mail_tls_profiles_extra", "a profile is a dictionary", fix, f".{name}")
        return
    variable = "mail_tls_profiles_extra"
    for key in profile:
        if key not in model:
            reason = f"a profile has no such key{did_you_mean(str(key), model)}"
            yield Mistake("tls-profile", variable, reason, f"Known keys: {', '.join(model)}", f".{name}.{key}")
    for key, example in model.items():
        at = f".{name}.{key}"
        if key not in profile:
            yield Mistake("tls-profile", variable, "it is missing", f"Write for example: {key}: {example}", at)
        elif isinstance(example, list) != isinstance(profile[key], list):
            reason = "it must be a list" if isinstance(example, list) else "it must be text"
            yield Mistake(
                "tls-profile", variable, reason, f"Write for example: {key}: {example}", at, shown(profile[key])
            )
    versions = {each["min_protocol"] for each in built_in.values()}
    lowest = profile.get("min_protocol")
    if isinstance(lowest, str) and lowest not in versions:
        reason = "a lower version is broken, and mail may not use it any more (RFC 8996, RFC 8997)"
        yield Mistake(
            "tls-profile", variable, reason, f"Choose {listed(versions)}", f".{name}.min_protocol", shown(lowest)
        )


def certificate(inventory: Inventory) -> Iterator[Mistake]:
    pair = ("mail_certificate_file", "mail_certificate_key_file")
    for variable, other in (pair, pair[::-1]):
        if variable in inventory.changed and other not in inventory.changed:
            reason = f"it is set, and {other} is not: certificate and key belong together"
            fix = f"Write also: {other}: /path/on/the/server"
            yield Mistake("certificate-pair", variable, reason, fix, value=shown(inventory.text(variable)))
        path = inventory.text(variable)
        if path and not path.startswith("/"):
            reason = "it is not an absolute path; the file must be on the server"
            yield Mistake(
                "certificate-path", variable, reason, f"Write for example: /etc/ssl/private/{path}", value=shown(path)
            )
    files = [inventory.text(variable) for variable in pair]
    if files[0] and files[0] == files[1] and set(pair) <= inventory.changed:
        reason = "it is the same file as mail_certificate_file, which every daemon may read"
        yield Mistake("certificate-pair", pair[1], reason, "Keep the key in a file of its own", value=shown(files[1]))


def delimiter(inventory: Inventory) -> Iterator[Mistake]:
    text = inventory.text("mail_recipient_delimiter")
    if not is_delimiter(text):
        reason = "it must be punctuation that may stand in an address"
        fix = 'Write: mail_recipient_delimiter: "+"   ("" switches extensions off)'
        yield Mistake("delimiter", "mail_recipient_delimiter", reason, fix, value=shown(text))


def sizes(inventory: Inventory) -> Iterator[Mistake]:
    limit = _size(inventory.values.get("mail_message_size_limit"))
    for variable, smallest in (("mail_message_size_limit", _SMALLEST_LIMIT), ("mail_quota", SMALLEST_QUOTA)):
        yield from size_mistakes(inventory.values.get(variable), variable, "", smallest)
    if limit == 0:
        reason = "without a limit one message can fill the disk"
        yield Mistake("size", "mail_message_size_limit", reason, "Write for example: 50M", value="0")
    quota = _size(inventory.values.get("mail_quota"))
    if quota and limit and SMALLEST_QUOTA <= quota < limit:
        yield quota_below_limit("mail_quota", "", quota, limit)


def _size(value: Any) -> int | None:
    try:
        size: int = parse_size(value)
    except ValueError:
        return None
    return size


def size_mistakes(value: Any, variable: str, element: str, smallest: int) -> Iterator[Mistake]:
    """Mistakes of one size: its syntax, and a number that was surely not meant as bytes."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return
    try:
        size = parse_size(value)
    except ValueError as error:
        yield Mistake("size", variable, "it is not a size", str(error), element, shown(value))
        return
    if 0 < size < smallest:
        unit = "" if str(value)[-1:].isalpha() else f"; {value} means {value} bytes"
        reason = f"it is below {format_size(smallest)}, too little for mail{unit}"
        example = f"Write for example: {str(value).rstrip('kK')}M"
        yield Mistake("size", variable, reason, example, element, shown(value))


def quota_below_limit(variable: str, element: str, quota: int, limit: int) -> Mistake:
    return Mistake(
        "quota-below-message-limit",
        variable,
        f"the mailbox is smaller than the largest message (mail_message_size_limit: {format_size(limit)}), "
        "which could never arrive",
        "Give it more room, or set mail_message_size_limit lower",
        element,
        format_size(quota),
        severity="warning",
    )


RULES = (hostname, domains, domain_classes, features, tls_profiles, certificate, delimiter, sizes)
