# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the web server of a mail server serves, under which names, and what DNS must say about it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._addresses import canonical_domain

# off: no policy, none: the domain takes back the policy it had, the other two are RFC 8461 5.
STAGES = ("off", "none", "testing", "enforce")
# Largest max_age of RFC 8461 3.2, about a year.
LONGEST_AGE = 31557600
# Characters of an identifier (RFC 8461 3.1: 32 at most); 128 bit of the hash.
_ID_LENGTH = 32
# What a mail program asks for, and the first label of the name that it asks.
CLIENTS: Mapping[str, str] = {"thunderbird": "autoconfig", "apple": "autoconfig", "outlook": "autodiscover"}


class WebError(ValueError):
    """What is asked for cannot be served."""


@dataclass(frozen=True)
class Server:
    """A mail server, as far as the others need to know it.

    :param web: whether it has a web server of ours
    """

    hostname: str
    domains: tuple[str, ...]
    web: bool


def read_servers(servers: Iterable[Mapping[str, Any]]) -> list[Server]:
    """:raises WebError: a server without a name"""
    known = []
    for each in servers:
        name = str(each.get("hostname") or "")
        if not name:
            raise WebError("a server has no hostname")
        domains = tuple(dict.fromkeys(canonical_domain(str(domain)) for domain in each.get("domains") or []))
        known.append(
            Server(canonical_domain(name), domains, str(each.get("web", False)).lower() in ("true", "yes", "1"))
        )
    return known


def policy_text(stage: str, servers: Sequence[str], max_age: int) -> str:
    """The policy of a domain (RFC 8461 3.2); with ``none`` no server is named, as none is looked at."""
    hosts = [] if stage == "none" else servers
    lines = ["version: STSv1", f"mode: {stage}", *(f"mx: {host}" for host in hosts), f"max_age: {max_age}"]
    return "".join(f"{line}\r\n" for line in lines)


def policy_id(text: str) -> str:
    """An identifier that is another one exactly when the policy is."""
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_LENGTH]


def sites(
    servers: Sequence[Mapping[str, Any]],
    own: Mapping[str, Any],
    *,
    stage: str,
    max_age: int,
    mx_extra: Sequence[str] = (),
    clients: Sequence[str] = (),
    apex: Sequence[str] = (),
) -> dict[str, Any]:
    """The sites of one server.

    A domain that several servers have is served by the first of them that has a web server: its names lead to one
    place, and only there is a certificate for them.

    :param servers: all mail servers, each with hostname, domains and web
    :param own: the server whose sites they are: hostname and domains
    :param stage: of MTA-STS, one of STAGES
    :param mx_extra: further hosts that receive mail for the domains, or patterns such as ``*.example.net``
    :param clients: mail programs to help, of CLIENTS
    :param apex: domains whose own address is this server's
    :returns: domains: name, labels and, with MTA-STS, policy and id of each; names: all names but the server's own;
        records: for DNS
    :raises WebError: a stage or mail program is unknown, or a server has no name
    """
    unknown = [name for name in clients if name not in CLIENTS]
    if unknown or stage not in STAGES:
        raise WebError(f"not known: {', '.join(unknown) or stage}")
    (me,) = read_servers([{**own, "web": True}])
    others = read_servers(servers)
    known = [me if server.hostname == me.hostname else server for server in others]
    known += [] if me in known else [me]
    labels = list(dict.fromkeys(CLIENTS[name] for name in clients))
    bare = {canonical_domain(name) for name in apex}
    domains = []
    for domain in me.domains:
        holders = [server for server in known if domain in server.domains]
        if next((server for server in holders if server.web), me) != me:
            continue
        hosts = [*(server.hostname for server in holders), *(name.lower().rstrip(".") for name in mx_extra)]
        policy = "" if stage == "off" else policy_text(stage, list(dict.fromkeys(hosts)), max_age)
        site = {"name": domain, "labels": labels, "apex": domain in bare}
        domains.append({**site, "policy": policy, "id": policy_id(policy) if policy else ""})
    return {
        "domains": domains,
        "names": [name for domain in domains for name in _names(domain) if name != me.hostname],
        "records": [record for domain in domains for record in _records(domain, me.hostname)],
    }


def _names(domain: Mapping[str, Any]) -> list[str]:
    labels = [*(["mta-sts"] if domain["policy"] else []), *domain["labels"]]
    return [*(f"{label}.{domain['name']}" for label in labels), *([domain["name"]] if domain["apex"] else [])]


def _records(domain: Mapping[str, Any], host: str) -> list[dict[str, str]]:
    """In the words of role dns, so that what both make is one record."""
    name = domain["name"]
    records = []
    if domain["policy"]:
        records.append({"name": f"_mta-sts.{name}", "type": "TXT", "value": f"v=STSv1; id={domain['id']};"})
        records.append({"name": f"mta-sts.{name}", "type": "CNAME", "value": f"{host}."})
    for label in domain["labels"]:
        records.append({"name": f"{label}.{name}", "type": "CNAME", "value": f"{host}."})
    if "autodiscover" in domain["labels"]:
        # Outlook asks for it last; the target may not be a CNAME (RFC 2782), so the server's own name answers as well.
        records.append({"name": f"_autodiscover._tcp.{name}", "type": "SRV", "value": f"0 1 443 {host}."})
    return records


def nginx_string(text: str) -> str:
    """A text between single quotes, as nginx reads it back.

    :raises WebError: it has a ``$``, which nginx has no way to write
    """
    if "$" in text:
        raise WebError(f"nginx cannot say $: {text!r}")
    escapes = {"\\": "\\\\", "'": "\\'", "\r": "\\r", "\n": "\\n", "\t": "\\t"}
    return "'" + "".join(escapes.get(character, character) for character in text) + "'"


def address_pattern(domains: Iterable[str]) -> str:
    """An expression for addresses of these domains, plain or as in a URL, with one group for each side of the ``@``.

    The characters are those that mailboxes of ours may have: none of them means anything in XML.
    """
    return rf"([a-z0-9._+-]{{1,64}})(?:@|%40)({'|'.join(re.escape(domain) for domain in domains)})"
