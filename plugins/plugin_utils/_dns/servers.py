# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server as DNS needs to know it, read from loose data with every mistake told at once."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import (
    DnsError,
    Record,
    canonical_name,
    host_problem,
    read_records,
    ttl_problem,
)
from ansible_collections.postern.mail.plugins.plugin_utils._dns.spf import mechanism_problem

# Ports that mail programs expect; the names of RFC 6186, 8314 and 5804.
SERVICES = ("submissions", "submission", "imaps", "imap", "pop3s", "pop3", "sieve")
POLICIES = ("none", "quarantine", "reject")

_MAILTO = re.compile(r"mailto:[A-Za-z0-9#$&'*+\-/=?^_`{|}~.]+@([A-Za-z0-9.-]+)", re.ASCII)
_HTTPS = re.compile(r"https://[A-Za-z0-9.-]+(:\d+)?(/[!-~]*)?", re.ASCII)


@dataclass(frozen=True)
class Dmarc:
    p: str = "none"
    sp: str = ""
    np: str = ""
    t: str = ""
    adkim: str = ""
    aspf: str = ""
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()

    def text(self) -> str:
        """RFC 9989 4.7: v first; ``pct``, ``rf`` and ``ri`` no longer exist."""
        tags = {"p": self.p, "sp": self.sp, "np": self.np, "t": self.t, "adkim": self.adkim, "aspf": self.aspf}
        tags |= {"rua": ",".join(self.rua), "ruf": ",".join(self.ruf)}
        return "; ".join(["v=DMARC1", *(f"{name}={value}" for name, value in tags.items() if value)])


@dataclass(frozen=True)
class Server:
    """One mail server; the words are those of the role's variables."""

    hostname: str
    domains: tuple[str, ...] = ()
    parked_domains: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ttl: int = 3600
    mx_priority: int = 10
    spf_servers: str = "mx"
    spf_extra: tuple[str, ...] = ()
    spf_all: str = "-all"
    dmarc: Dmarc = field(default_factory=Dmarc)
    tlsrpt_rua: tuple[str, ...] = ()
    mta_sts_id: str = ""
    services: Mapping[str, int] = field(default_factory=dict)
    service_priority: int = 0
    autoconfig: bool = False
    web_host: str = ""
    caa_issuers: tuple[str, ...] = ()
    caa_iodef: str = ""
    records: tuple[Record, ...] = ()


def report_uri_problem(uri: str, schemes: Iterable[str] = ("mailto",)) -> str:
    """Why reports cannot be sent there, or an empty text."""
    allowed = " or ".join(f"{scheme}:" for scheme in schemes)
    if "," in uri or "!" in uri or ";" in uri or re.search(r"\s", uri):
        return "one address a list element, without , ; ! or spaces (a size limit !10m no longer exists in RFC 9989)"
    if uri.startswith("mailto:"):
        match = _MAILTO.fullmatch(uri)
        return "" if match and not host_problem(match[1]) else "it is no mailto: address"
    if uri.startswith("https:") and "https" in schemes:
        return "" if _HTTPS.fullmatch(uri) else "it is no https: address"
    return f"it must begin with {allowed}"


def report_host(uri: str) -> str:
    """``mailto:a@example.org`` -> ``example.org``; empty for anything else."""
    match = _MAILTO.fullmatch(uri)
    return canonical_name(match[1]) if match else ""


def address_problem(text: str, *, given: bool = True) -> str:
    """Why the world cannot reach an address.

    :param given: written by a person; of those found on the host a private one is a mistake too (NAT)
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "it is no IP address"
    if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
        return "nobody else can reach it"
    if not given and not address.is_global:
        return "it is private, and the world sees another address (NAT)"
    return ""


def mta_sts_id_problem(text: str) -> str:
    good = re.fullmatch(r"[A-Za-z0-9]{0,32}", text, re.ASCII)
    return "" if good else "letters and digits, 32 at most (RFC 8461 3.1)"


def service_problem(name: str, port: Any) -> str:
    if name not in SERVICES:
        return f"there is no such service; known: {', '.join(SERVICES)}"
    text = str(port)
    if isinstance(port, bool) or not re.fullmatch(r"\d{1,5}", text, re.ASCII) or int(text) > 65535:
        return "a port is a number up to 65535, 0 where the service is not offered"
    return ""


def caa_issuer_problem(text: str) -> str:
    """An issuer may carry parameters: ``ca.example; accounturi=...`` (RFC 8657)."""
    domain = text.partition(";")[0].strip()
    if '"' in text or not text.isascii() or not text.isprintable():
        return "it may not contain quotes or anything but ASCII"
    if domain and (wrong := host_problem(domain)):
        return wrong
    return "" if text.strip() else "it is empty: write ; to let nobody issue certificates"


@dataclass
class _Reading:
    """Reads loose data and collects what is wrong."""

    data: Mapping[str, Any]
    wrong: list[str] = field(default_factory=list)

    def texts(self, key: str, problem: Callable[[str], str], data: Mapping[str, Any] | None = None) -> tuple[str, ...]:
        value = (self.data if data is None else data).get(key) or []
        texts = [str(each) for each in (value if isinstance(value, list | tuple) else [value])]
        for text in texts:
            self.check(key, text, problem(text))
        return tuple(dict.fromkeys(texts))

    def number(self, key: str, default: int) -> int:
        value = self.data.get(key, default)
        try:
            return int(str(value))
        except ValueError:
            self.wrong.append(f'{key}: "{value}" is no number')
            return default

    def word(self, data: Mapping[str, Any], key: str, known: Iterable[str], default: str = "") -> str:
        value = str(data.get(key) or default)
        if value not in known:
            self.wrong.append(
                f'{key}: "{value}" is not known; choose {" or ".join(word or "nothing" for word in known)}'
            )
            return default
        return value

    def part(self, key: str) -> Mapping[str, Any]:
        value = self.data.get(key) or {}
        if isinstance(value, Mapping):
            return value
        self.wrong.append(f"{key}: it must be a dictionary")
        return {}

    def check(self, key: str, value: str, problem: str) -> None:
        if problem:
            self.wrong.append(f'{key}: "{value}": {problem}')


def read_server(data: Mapping[str, Any]) -> Server:
    """:raises DnsError: every mistake, one a line"""
    reading = _Reading(data)
    server = _read(reading)
    overlap = sorted({*server.domains} & {*server.parked_domains})
    reading.wrong += [f"parked_domains: {name} is in domains as well" for name in overlap]
    if reading.wrong:
        host = server.hostname or "a server"
        raise DnsError("\n".join(f"{host}: {each}" for each in reading.wrong))
    return server


def _read(reading: _Reading) -> Server:
    data = reading.data
    ttl = reading.number("ttl", 3600)
    reading.check("ttl", str(ttl), ttl_problem(ttl))
    hostname = canonical_name(str(data.get("hostname") or ""))
    reading.check("hostname", hostname, host_problem(hostname))
    spf, caa = reading.part("spf"), reading.part("caa")
    given = _truth(data.get("addresses_given", True))
    web_host = canonical_name(str(data.get("web_host") or hostname))
    if web_host != hostname:
        reading.check("web_host", web_host, host_problem(web_host))
    mta_sts_id = str(data.get("mta_sts_id") or "")
    reading.check("mta_sts_id", mta_sts_id, mta_sts_id_problem(mta_sts_id))
    iodef = str(caa.get("iodef") or "")
    if iodef:
        reading.check("caa.iodef", iodef, report_uri_problem(iodef, ("mailto", "https")))
    return Server(
        hostname=hostname,
        domains=_names(reading.texts("domains", host_problem)),
        parked_domains=_names(reading.texts("parked_domains", host_problem)),
        addresses=_addresses(reading.texts("addresses", lambda text: address_problem(text, given=given))),
        ttl=ttl,
        mx_priority=_port(reading, "mx_priority", 10),
        spf_servers=reading.word(spf, "servers", ("mx", "addresses"), "mx"),
        spf_extra=reading.texts("extra", mechanism_problem, spf),
        spf_all=reading.word(spf, "all", ("-all", "~all"), "-all"),
        dmarc=_dmarc(reading, reading.part("dmarc")),
        tlsrpt_rua=reading.texts("tlsrpt_rua", lambda uri: report_uri_problem(uri, ("mailto", "https"))),
        mta_sts_id=mta_sts_id,
        services=_services(reading, reading.part("services")),
        service_priority=_port(reading, "service_priority", 0),
        autoconfig=_truth(data.get("autoconfig", False)),
        web_host=web_host,
        caa_issuers=reading.texts("issuers", caa_issuer_problem, caa),
        caa_iodef=iodef,
        records=_records(reading, data.get("records") or [], ttl),
    )


def _truth(value: Any) -> bool:
    """Before ansible-core 2.19 a template inside a dictionary makes text of a truth value."""
    return str(value).strip().lower() in ("true", "yes", "1")


def _names(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(canonical_name(text) for text in texts))


def _addresses(texts: Iterable[str]) -> tuple[str, ...]:
    addresses = []
    for text in texts:
        try:
            addresses.append(str(ipaddress.ip_address(text)))
        except ValueError:
            continue  # told already
    return tuple(dict.fromkeys(addresses))


def _port(reading: _Reading, key: str, default: int) -> int:
    number = reading.number(key, default)
    reading.check(key, str(number), "" if 0 <= number <= 65535 else "it is 0 to 65535")
    return number


def _services(reading: _Reading, given: Mapping[str, Any]) -> dict[str, int]:
    services = {}
    for name, port in given.items():
        wrong = service_problem(str(name), port)
        reading.check(f"services.{name}", str(port), wrong)
        if not wrong:
            services[str(name)] = int(str(port))
    return services


def _dmarc(reading: _Reading, given: Mapping[str, Any]) -> Dmarc:
    return Dmarc(
        p=reading.word(given, "p", POLICIES, "none"),
        sp=reading.word(given, "sp", ("", *POLICIES)),
        np=reading.word(given, "np", ("", *POLICIES)),
        t=reading.word(given, "t", ("", "y")),
        adkim=reading.word(given, "adkim", ("", "s")),
        aspf=reading.word(given, "aspf", ("", "s")),
        rua=reading.texts("rua", report_uri_problem, given),
        ruf=reading.texts("ruf", report_uri_problem, given),
    )


def _records(reading: _Reading, given: Iterable[Mapping[str, Any]], ttl: int) -> tuple[Record, ...]:
    try:
        return tuple(read_records(given, ttl))
    except DnsError as error:
        reading.wrong += str(error).splitlines()
        return ()
