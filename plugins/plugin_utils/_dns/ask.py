# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions to DNS servers, with dnspython; the only place that knows it."""

from __future__ import annotations

import binascii
import errno
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import DnsError, canonical_value

try:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.query
    import dns.rcode
    import dns.rdatatype
    import dns.resolver
    import dns.rrset
    import dns.tsig
except ImportError:
    HAS_DNSPYTHON = False
else:
    HAS_DNSPYTHON = True

_TIMEOUT = 4.0
_TRIES = 2
# Said by this machine before anything has left it.
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_MISSING = (
    "dnspython is not installed on the controller. Install it for the Python that runs Ansible: "
    "pip install dnspython, pipx inject ansible dnspython, or apt-get install python3-dnspython"
)


def require_dnspython() -> None:
    """:raises DnsError: it is not there; the text says how to install it"""
    if not HAS_DNSPYTHON:
        raise DnsError(_MISSING)


@dataclass(frozen=True)
class Key:
    """A TSIG key (RFC 8945).

    :param secret: Base64
    """

    name: str
    secret: str = field(repr=False)
    algorithm: str = "hmac-sha256"


@dataclass(frozen=True)
class Reply:
    """What one server says about one name and type.

    :param status: ``failed`` where no usable answer came; ``detail`` then says why
    :param alias: canonical target where the name is an alias
    :param zone: owner of the SOA record that came along, empty where none did
    :param no_way: this machine itself has no way to that address, such as to IPv6 from a network without it
    """

    status: Literal["found", "empty", "nxdomain", "failed"]
    values: tuple[str, ...] = ()
    ttl: int = 0
    alias: str = ""
    authoritative: bool = False
    zone: str = ""
    detail: str = ""
    no_way: bool = False


def ask(address: str, name: str, kind: str, *, port: int = 53, recursive: bool = True, key: Key | None = None) -> Reply:
    """Ask once over UDP, again when nothing comes, over TCP when the answer is cut or signed."""
    query = dns.message.make_query(f"{name.removesuffix('.')}.", kind)
    if not recursive:
        query.flags &= ~dns.flags.RD
    try:
        answer = _exchange(query, address, port, key)
    except (dns.exception.DNSException, OSError, EOFError) as error:
        return Reply("failed", detail=_words(error), no_way=getattr(error, "errno", None) in _NO_WAY)
    return _read(answer, name, kind)


def _exchange(query: Any, address: str, port: int, key: Key | None) -> Any:
    if key is not None:
        sign(query, key)
        return dns.query.tcp(query, address, timeout=_TIMEOUT * 2, port=port)
    for attempt in range(_TRIES):
        try:
            return dns.query.udp_with_fallback(query, address, timeout=_TIMEOUT, port=port)[0]
        except dns.exception.Timeout:
            if attempt + 1 == _TRIES:
                raise
    raise OSError("nothing was asked")


def sign(query: Any, key: Key) -> None:
    """:raises DnsError: the key is malformed"""
    try:
        name = dns.name.from_text(key.name)
        ring = {name: dns.tsig.Key(name, key.secret, key.algorithm)}
        query.use_tsig(ring, keyname=name, algorithm=ring[name].algorithm)
    except (binascii.Error, ValueError) as error:
        raise DnsError("the TSIG secret is no Base64 text") from error


def _words(error: Exception) -> str:
    if isinstance(error, dns.exception.Timeout):
        return "no answer"
    if isinstance(error, dns.tsig.PeerBadKey):
        return "it does not know this TSIG key"
    if isinstance(error, dns.tsig.PeerBadSignature | dns.tsig.BadSignature):
        return "it finds the TSIG signature wrong: the secret or the algorithm differs"
    if isinstance(error, dns.tsig.PeerBadTime | dns.tsig.BadTime):
        return "its clock and this one differ by more than five minutes (TSIG)"
    if isinstance(error, OSError):
        return f"it cannot be reached ({error.strerror or error})"
    return str(error) or type(error).__name__


def _read(answer: Any, name: str, kind: str) -> Reply:
    code = answer.rcode()
    authoritative = bool(answer.flags & dns.flags.AA)
    zone = next((_plain(rrset.name) for rrset in (*answer.answer, *answer.authority) if _is_soa(rrset)), "")
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return Reply("failed", zone=zone, authoritative=authoritative, detail=f"it answers {dns.rcode.to_text(code)}")
    owner, alias, ttl = dns.name.from_text(name), "", 0
    values: tuple[str, ...] = ()
    wanted = dns.rdatatype.from_text(kind)
    for rrset in answer.answer:
        if rrset.name == owner and rrset.rdtype == wanted:
            values, ttl = tuple(sorted(text_of(each, kind) for each in rrset)), rrset.ttl
        elif rrset.name == owner and rrset.rdtype == dns.rdatatype.CNAME:
            alias = _plain(rrset[0].target)
    if alias and not values and kind != "CNAME":
        final = [rrset for rrset in answer.answer if rrset.rdtype == wanted]
        values = tuple(sorted(text_of(each, kind) for rrset in final for each in rrset))
    if values:
        return Reply("found", values, ttl, alias, authoritative, zone)
    status: Literal["nxdomain", "empty"] = "nxdomain" if code == dns.rcode.NXDOMAIN else "empty"
    referred = not alias and not authoritative and not zone and any(_is_ns(rrset) for rrset in answer.authority)
    if referred and not answer.flags & dns.flags.RA:
        return Reply("failed", detail="it refers to other servers")
    return Reply(status, (), 0, alias, authoritative, zone)


def _is_soa(rrset: Any) -> bool:
    return bool(rrset.rdtype == dns.rdatatype.SOA)


def _is_ns(rrset: Any) -> bool:
    return bool(rrset.rdtype == dns.rdatatype.NS)


def _plain(name: Any) -> str:
    return str(name.to_text(omit_final_dot=True)).lower()


def text_of(rdata: Any, kind: str) -> str:
    """A value in the form that records have here."""
    if kind == "TXT":
        return b"".join(rdata.strings).decode("latin-1")
    text = str(rdata.to_text())
    try:
        return canonical_value(kind, text)
    except DnsError:  # of a type that is only read, or a strange value
        return text.lower()


def addresses_of(host: str) -> list[str]:
    """Addresses of a server that is named or an address itself, by the machine's own resolver.

    :raises DnsError: it has none
    """
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except OSError as error:
        raise DnsError(f"{host} has no address: {error.strerror or error}") from error
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def own_resolvers() -> list[str]:
    """:raises DnsError: this machine has none"""
    try:
        return [str(server) for server in dns.resolver.Resolver().nameservers]
    except dns.exception.DNSException as error:
        raise DnsError("this machine has no resolver; name some in dns_resolvers") from error


def parsed_addresses(texts: Iterable[str]) -> list[str]:
    """:raises DnsError: one is no address"""
    addresses = []
    for text in texts:
        try:
            addresses.append(str(ipaddress.ip_address(text)))
        except ValueError as error:
            raise DnsError(f"dns_resolvers: {text} is no IP address") from error
    return addresses
