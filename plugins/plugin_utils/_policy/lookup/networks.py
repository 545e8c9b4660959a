# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks as Postfix writes them: ``192.0.2.0/24``, ``[2001:db8::]/32`` (util/cidr_match.c)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SyntaxProblem, is_all_digits


class HostBits(SyntaxProblem):
    """The network has bits outside its mask. ``right`` is the network that was meant."""

    def __init__(self, written: str, right: str) -> None:
        super().__init__(f'non-null host address bits in "{written}", perhaps you should use "{right}" instead')
        self.right = right


@dataclass(frozen=True, slots=True)
class Network:
    """:param family: 4 or 6
    :param value: the network's address as a number
    :param prefix: length of the mask in bits
    """

    family: int
    value: int
    prefix: int

    @classmethod
    def parse(cls, pattern: str) -> Network:
        """:raises SyntaxProblem: in Postfix's words"""
        text, mask = _parts(pattern)
        family = 6 if ":" in text else 4
        bits = 128 if family == 6 else 32
        if mask is None:
            number = _number(text)
            if number is None:
                raise SyntaxProblem(f'bad address pattern: "{text}"')
            return cls(family, number, bits)
        if not is_all_digits(mask):
            raise SyntaxProblem(f'bad mask value in "{text}/{mask}"')
        if int(mask) > bits:
            raise SyntaxProblem(f'bad mask length in "{text}/{mask}"')
        number = _number(text)
        if number is None:
            raise SyntaxProblem(f'bad network value in "{text}/{mask}"')
        prefix = int(mask)
        masked = number >> (bits - prefix) << (bits - prefix)
        if masked != number:
            raise HostBits(f"{text}/{mask}", f"{_text(family, masked)}/{prefix}")
        return cls(family, number, prefix)

    def __contains__(self, address: str) -> bool:
        number = _number(address)
        if number is None or self.family != (6 if ":" in address else 4):
            return False
        bits = 128 if self.family == 6 else 32
        return number >> (bits - self.prefix) == self.value >> (bits - self.prefix)

    def outside(self, address: str) -> bool:
        """Whether it is an address of the same family that the network does not hold."""
        same_family = self.family == (6 if ":" in address else 4)
        return same_family and _number(address) is not None and address not in self


def _parts(pattern: str) -> tuple[str, str | None]:
    """Address and mask; brackets are needed in lists only and may be left away in tables."""
    if not pattern.startswith("["):
        text, slash, mask = pattern.partition("/")
        return text, mask if slash else None
    text, bracket, rest = pattern[1:].partition("]")
    if not bracket:
        raise SyntaxProblem(f"missing ']' character after \"[{text}\"")
    if rest and not rest.startswith("/"):
        raise SyntaxProblem(f'garbage after "[{text}]"')
    if rest:
        return text, rest[1:]
    text, slash, mask = text.partition("/")
    return text, mask if slash else None


def _number(address: str) -> int | None:
    """inet_pton(3): no leading zeros in IPv4, no zone in IPv6."""
    try:
        return int(ipaddress.IPv6Address(address) if ":" in address else ipaddress.IPv4Address(address))
    except ValueError:
        return None


def _text(family: int, number: int) -> str:
    return str(ipaddress.IPv6Address(number) if family == 6 else ipaddress.IPv4Address(number))


def compressed(address: str) -> str:
    """:return: the address as inet_ntop(3) writes it, which is how smtpd knows its clients; as given when it is none"""
    number = _number(address)
    if number is None:
        return address
    if ":" not in address:
        return str(ipaddress.IPv4Address(number))
    mapped = ipaddress.IPv6Address(number).ipv4_mapped
    # Postfix turns IPv4 in IPv6 into IPv4 (util/normalize_mailhost_addr.c).
    return str(mapped) if mapped else str(ipaddress.IPv6Address(number))
