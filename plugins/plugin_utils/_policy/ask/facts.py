# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DNS that a question takes for granted: what it told, what a log line lets see, and the ordinary for the rest.

No name is looked up: the answer must not depend on who asks from where, and each thing assumed is said.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Answers, DnsData, Session

_BLOCKED = re.compile(r"blocked using ([\w.-]+)")
_MX_HOST = "192.0.2.25"


def reversed_address(addr: str) -> str:
    """The address as DNS lists are asked for it: ``7.113.0.203``.

    :raises ValueError: no address
    """
    pointer = ipaddress.ip_address(addr.removeprefix("IPv6:")).reverse_pointer
    return pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


def assumed_dns(
    session: Session, given: DnsData, listed: Iterable[str] = (), text: str = ""
) -> tuple[dict[str, Answers | str], list[str]]:
    """DNS data for a session, and a sentence for each thing that nobody told.

    :param given: told by the user, always wins
    :param listed: DNS lists that have the client's address
    :param text: reply of a log line, which may tell that a name was not found
    """
    zone: dict[str, Answers | str] = {}
    said: list[str] = []
    known = {name.rstrip(".").lower() for name in given}
    for domain in _mail_domains(session):
        if domain in known:
            continue
        if _not_found(domain, session, text):
            said.append(f"{domain} does not exist in the DNS, as the log line says.")
            continue
        zone[domain] = {"MX": [f"10 mx.{domain}"], "A": [_MX_HOST]}
        zone[f"mx.{domain}"] = {"A": [_MX_HOST]}
        said.append(f"{domain} exists in the DNS and takes mail.")
    for name in _host_names(session):
        if name in known or name in zone:
            continue
        zone[name] = {"A" if ":" not in session.addr else "AAAA": [session.addr]}
        said.append(f"The name {name} has the address {session.addr}.")
    lists = [*listed, *_BLOCKED.findall(text)]
    for site in dict.fromkeys(site.rstrip(".") for site in lists):
        zone[f"{reversed_address(session.addr)}.{site}"] = {"A": ["127.0.0.2"]}
        said.append(f"{session.addr} is on the list {site}.")
    if not lists:
        said.append(f"{session.addr} is on no block list and no allow list (say -e listed=LIST where it is).")
    return {**zone, **given}, said


def _not_found(domain: str, session: Session, text: str) -> bool:
    if "Domain not found" not in text:
        return False
    who = "Recipient" if "Recipient address" in text else "Sender"
    address = (session.rcpts[0] if session.rcpts else "") if who == "Recipient" else session.sender or ""
    return address.rpartition("@")[2].lower() == domain


def _mail_domains(session: Session) -> list[str]:
    addresses = [session.sender or "", *session.rcpts]
    domains = [address.rpartition("@")[2].lower().rstrip(".") for address in addresses if "@" in address]
    return [domain for domain in dict.fromkeys(domains) if domain and not domain.startswith("[")]


def _host_names(session: Session) -> list[str]:
    names = [session.name, session.reverse or "", session.helo or ""]
    plain = [name.lower().rstrip(".") for name in names if name and not name.startswith("[")]
    return [name for name in dict.fromkeys(plain) if name != "unknown" and "." in name]
