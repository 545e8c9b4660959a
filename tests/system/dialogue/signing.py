# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""DKIM by dkimpy, which no server here uses: messages signed with world's keys, signatures verified with its DNS."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dkim
import dns.resolver

from dialogue.lab import Host, Lab

# What a signature of ours covers when a test does not say otherwise.
_SIGNED = (b"from", b"to", b"subject", b"date", b"message-id")


def sign(
    lab: Lab, message: bytes, domain: str = "signed.example", *, selector: str = "rsa2048", **options: Any
) -> bytes:
    """The message with a signature of ``domain`` (tests/lab/postern_lab/senders.py) before it.

    ``options`` are those of dkim.sign: canonicalize, include_headers, length, signature_algorithm.
    """
    options = {"include_headers": list(_SIGNED), "canonicalize": (b"relaxed", b"simple"), **options}
    key = private_key(lab.world, selector)
    field = dkim.sign(message, selector.encode(), domain.encode(), key, **options)
    return bytes(field) + message


@functools.cache
def private_key(world: Host, name: str) -> bytes:
    """World's private key with this selector, as PEM."""
    return bytes(world.run("cat", f"/etc/lab/dkim/{name}.pem").stdout)


@dataclass(frozen=True)
class Signature:
    """One DKIM-Signature of a message, as an independent verifier sees it."""

    domain: str
    selector: str
    algorithm: str
    fields: tuple[str, ...]
    valid: bool


def signatures(lab: Lab, message: bytes, *, nameserver: str = "") -> list[Signature]:
    """Every signature of the message, the topmost first, each verified with the keys in DNS."""
    found = []
    for index in range(count(message)):
        verifier = dkim.DKIM(message, minkey=1024)
        try:
            valid = verifier.verify(idx=index, dnsfunc=lookup(nameserver or lab.dns))
        except dkim.DKIMException as error:
            print(f"signature {index}: {error}")
            valid = False
        tags = {key.decode(): value.decode() for key, value in (verifier.signature_fields or {}).items()}
        fields = tuple(field.strip().lower() for field in tags.get("h", "").split(":"))
        found.append(Signature(tags.get("d", ""), tags.get("s", ""), tags.get("a", ""), fields, valid))
    return found


def count(message: bytes) -> int:
    """How many DKIM-Signature fields the message has."""
    header = message.replace(b"\r\n", b"\n").partition(b"\n\n")[0].lower()
    return sum(line.startswith(b"dkim-signature:") for line in header.split(b"\n"))


def lookup(nameserver: str) -> Callable[..., bytes | None]:
    """dkimpy's question for a key, asked of one name server."""

    def txt(name: bytes | str, timeout: float = 5) -> bytes | None:
        return query_txt(nameserver, name.decode() if isinstance(name, bytes) else name)

    return txt


def query_txt(nameserver: str, name: str) -> bytes | None:
    """The strings of a TXT record, joined; None when there is none."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [nameserver]
    resolver.lifetime = 60
    try:
        answer = resolver.resolve(name, "TXT", search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.NoNameservers):
        return None
    return b"".join(answer[0].strings)
