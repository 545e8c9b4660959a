# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Domains that world takes mail for: every state of DANE (RFC 7672) and MTA-STS (RFC 8461) that a sender can meet."""

from __future__ import annotations

from dataclasses import dataclass

# World writes this file: TLSA records of its key, and of one that nobody has.
TLSA_RECORDS = "/etc/lab/tlsa.records"


@dataclass(frozen=True)
class Destination:
    """A domain, MX ``mx.<domain>``. ``keys`` are those of its TLSA records; ``policy`` is mode and MX of its policy."""

    keys: tuple[str, ...] = ()
    policy: tuple[str, str] | None = None
    certified: bool = True  # world's certificate has the name of its MX
    own_zone: bool = False


DESTINATIONS: dict[str, Destination] = {
    "dane-good": Destination(keys=("key",)),
    "dane-next": Destination(keys=("nobody", "key")),  # in the middle of a rollover
    "dane-wrong": Destination(keys=("nobody",)),
    "dane-none": Destination(),
    "dane-bogus": Destination(own_zone=True),  # all its signatures have expired
    "dane-lost": Destination(),  # only those of the zone that its TLSA record is in
    "sts-enforce": Destination(policy=("enforce", "mx.sts-enforce.example")),
    "sts-mismatch": Destination(policy=("enforce", "mx.elsewhere.example")),
    "sts-badcert": Destination(policy=("enforce", "mx.sts-badcert.example"), certified=False),
    "dane-sts-wrong": Destination(keys=("nobody",), policy=("enforce", "mx.dane-sts-wrong.example")),
    "sts-testing": Destination(policy=("testing", "mx.elsewhere.example")),
}

# Zones whose signatures expired long ago.
EXPIRED_ZONES = ("dane-bogus.example", "_tcp.mx.dane-lost.example")


def destination_domains() -> tuple[str, ...]:
    """Every domain of the table."""
    return tuple(f"{name}.example" for name in DESTINATIONS)


def certified_names() -> tuple[str, ...]:
    """Names of all destinations that world's certificate has: MX, and hosts of policies."""
    return tuple(
        name
        for key, destination in DESTINATIONS.items()
        for name, wanted in (
            (f"mx.{key}.example", destination.certified),
            (f"mta-sts.{key}.example", destination.policy is not None),
        )
        if wanted
    )


def policies() -> dict[str, str]:
    """Host name -> text of its policy (RFC 8461 section 3.2)."""
    return {
        f"mta-sts.{key}.example": f"version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 86400\r\n"
        for key, destination in DESTINATIONS.items()
        if destination.policy
        for mode, mx in (destination.policy,)
    }


def tlsa_draft() -> str:
    """TLSA records relative to the zone ``example``, with the names of keys in place of their digests."""
    return "".join(
        f"_25._tcp.mx.{key} TLSA 3 1 1 <{each}>\n"
        for key, destination in DESTINATIONS.items()
        for each in destination.keys
    )


def destination_records(address: str, address6: str) -> str:
    """Records of the destinations that are in the zone ``example``, at world's addresses."""
    inside = "".join(
        _mail_records(name, destination, address, address6)
        for name, destination in DESTINATIONS.items()
        if not destination.own_zone
    )
    return f"{inside}$INCLUDE {TLSA_RECORDS} example.\n"


def expired_zone(name: str, address: str, address6: str) -> str:
    """Records of a zone of EXPIRED_ZONES."""
    if name.startswith("_tcp."):
        return f"_25 TLSA 3 1 1 {'00' * 32}\n"
    return f"@ MX 10 mx\nmx A {address}\nmx AAAA {address6}\n"


def _mail_records(name: str, destination: Destination, address: str, address6: str) -> str:
    hosts = [f"mx.{name}"]
    text = f"{name} MX 10 mx.{name}\n"
    if destination.policy:
        hosts.append(f"mta-sts.{name}")
        text += f'_mta-sts.{name} TXT "v=STSv1; id=1"\n'
    return text + "".join(f"{host} A {address}\n{host} AAAA {address6}\n" for host in hosts)
