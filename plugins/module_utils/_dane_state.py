# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The life of a certificate's key whose digest is in DNS (DANE, RFC 7672). No files, no clock, no network.

    next      made in advance, its record is published beside that of the key in use; nothing serves it
    current   in the certificate that is served
    retiring  was served; its record stays while answers without its successor may still be about

What is served is not decided here but looked at: a certificate that somebody put in place has a current key. Every
step follows from that and from the list of keys, so a run that was killed, or never came, costs nothing but time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

NEXT, CURRENT, RETIRING = "next", "current", "retiring"
STATUSES = (NEXT, CURRENT, RETIRING)
MADE, FOUND, OFFERED = "made", "found", "offered"
PAIRS = ("main", "rsa")
# RFC 7671 8.1: the old answers must be gone from all caches; twice the TTL, since clocks and secondaries lag.
LIFETIMES = 2
OFFER_LASTS = 30 * 86400
DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Key:
    """One key.

    :param pair: ``main``, or ``rsa`` for the second certificate
    :param digest: SHA-256 of its SubjectPublicKeyInfo, which is what a record 3 1 1 holds
    :param kind: as the openssl command needs it to make another, such as ``ec:prime256v1`` or ``rsa:3072``
    :param since: when it got its status
    :param seen: since when all name servers have its record; 0: some have not, or nobody looked
    :param origin: made here, found in use, or offered (in a certificate that waits to be installed)
    """

    pair: str
    digest: str
    kind: str
    status: str
    since: int
    made: int
    seen: int = 0
    origin: str = MADE

    @property
    def short(self) -> str:
        return f"{self.digest[:12]}... ({self.kind})"

    def turned(self, status: str, now: int) -> Key:
        return self if self.status == status else replace(self, status=status, since=now)


@dataclass(frozen=True)
class Lifetime:
    """How long an answer may be remembered: the TTL, and a longer one that held until some time ago."""

    ttl: int = 3600
    former: int = 0
    until: int = 0

    def longest(self, now: int) -> int:
        return max(self.ttl, self.former if now < self.until else 0)

    def changed(self, ttl: int, now: int) -> Lifetime:
        """Another TTL from now on; answers with a longer one live as long as they were told."""
        if ttl == self.ttl:
            return self
        before = self.longest(now)
        return Lifetime(ttl, before, now + LIFETIMES * before) if before > ttl else Lifetime(ttl)


@dataclass(frozen=True)
class State:
    keys: tuple[Key, ...] = ()
    lifetime: Lifetime = Lifetime()

    def with_keys(self, keys: Iterable[Key]) -> State:
        return replace(self, keys=tuple(keys))


def load(data: Any) -> State:
    """What :func:`dump` made.

    :raises ValueError: it is none
    """
    try:
        if data["version"] != 1:
            raise ValueError(f"version {data['version']} is not known")
        state = State(tuple(Key(**each) for each in data["keys"]), Lifetime(**data["lifetime"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a list of keys ({error})") from error
    for key in state.keys:
        if key.status not in STATUSES or key.pair not in PAIRS or not DIGEST.fullmatch(key.digest):
            raise ValueError(f"{key.digest[:12]} cannot be {key.status} in {key.pair}")
    return state


def dump(state: State) -> dict[str, Any]:
    keys = sorted(state.keys, key=lambda key: (key.pair, key.made, key.digest))
    return {"version": 1, "lifetime": asdict(state.lifetime), "keys": [asdict(key) for key in keys]}


def observe(keys: Sequence[Key], served: Mapping[str, tuple[str, str]], now: int) -> list[Key]:
    """What is served is current; what was current until now retires.

    :param served: by pair, digest and kind of the key in the certificate
    """
    result = []
    for key in keys:
        digest = served.get(key.pair, ("", ""))[0]
        if key.digest == digest:
            result.append(key.turned(CURRENT, now))
        elif key.status == CURRENT:
            result.append(key.turned(RETIRING, now))
        elif key.pair in served or key.status == RETIRING:
            result.append(key)  # else there is no such certificate any more, and nothing will use its next key
    known = {(key.pair, key.digest) for key in result}
    for pair, (digest, kind) in served.items():
        if (pair, digest) not in known:
            result.append(Key(pair, digest, kind, CURRENT, now, now, origin=FOUND))
    return result


def offer(keys: Sequence[Key], offered: Iterable[Key], now: int) -> list[Key]:
    """Keys of certificates that wait until their record is known; old offers are forgotten."""
    fresh = {(each.pair, each.digest): each for each in offered if now - each.since < OFFER_LASTS}
    kept = [key for key in keys if key.origin != OFFERED or key.status != NEXT or (key.pair, key.digest) in fresh]
    known = {(key.pair, key.digest) for key in kept}
    return [*kept, *(each for name, each in fresh.items() if name not in known)]


Make = Callable[[str, str], Key]
"""(pair, kind) -> a new key, its private key written."""


def ensure(keys: Sequence[Key], now: int, make: Make) -> list[Key]:
    """Every pair has a next key of the kind that is in use; one of another kind has never been used and goes."""
    kinds = {key.pair: key.kind for key in keys if key.status == CURRENT}
    kept = [
        key for key in keys if key.status != NEXT or key.origin == OFFERED or kinds.get(key.pair, key.kind) == key.kind
    ]
    waiting = {key.pair for key in kept if key.status == NEXT and key.origin == MADE}
    return [*kept, *(make(pair, kind) for pair, kind in kinds.items() if pair not in waiting)]


def see(keys: Sequence[Key], visible: Collection[str], now: int) -> list[Key]:
    """Note which records all name servers have."""
    return [replace(key, seen=(key.seen or now) if key.digest in visible else 0) for key in keys]


def usable_from(key: Key, lifetime: Lifetime, now: int) -> int:
    """When a key may be served, because no cache can hold an answer without it; 0: nobody has seen its record yet."""
    return key.seen + LIFETIMES * lifetime.longest(now) if key.seen else 0


def is_usable(key: Key, lifetime: Lifetime, now: int) -> bool:
    return 0 < usable_from(key, lifetime, now) <= now


def due(keys: Sequence[Key], after: int, settle: int, force: bool, now: int) -> list[str]:
    """Pairs whose key is to be replaced.

    :param after: age in seconds; 0 is never
    :param settle: with ``force``, a key that is in use for less than this is not replaced again, so that a run which
        was killed and started again does not replace two keys
    """
    found = []
    for key in keys:
        if key.status != CURRENT:
            continue
        replaced = any(other.pair == key.pair and other.status == RETIRING for other in keys)
        old = after > 0 and now - key.made >= after
        if (force and not (replaced and now - key.since < settle)) or old:
            found.append(key.pair)
    return sorted(found)


def successor(keys: Sequence[Key], pair: str) -> Key | None:
    """The next key of a pair; one that a certificate waits with goes first."""
    waiting = [key for key in keys if key.pair == pair and key.status == NEXT]
    return min(waiting, key=lambda key: (key.origin != OFFERED, key.since), default=None)


def retired_from(key: Key, lifetime: Lifetime, now: int) -> int:
    """When the record of a retiring key may go."""
    return key.since + LIFETIMES * lifetime.longest(now)


def retire(keys: Sequence[Key], lifetime: Lifetime, now: int) -> list[Key]:
    """Forget what nobody is served any more, and nobody can be about to ask for."""
    return [key for key in keys if key.status != RETIRING or now < retired_from(key, lifetime, now)]


def records(keys: Iterable[Key], hostname: str, ports: Iterable[int], ttl: int) -> list[dict[str, Any]]:
    """The records that there should be, keys in use first."""
    ordered = sorted(keys, key=lambda key: (key.status != CURRENT, key.status != NEXT, key.pair, key.made))
    digests = dict.fromkeys(key.digest for key in ordered)
    return [
        {"name": f"_{port}._tcp.{hostname}", "type": "TLSA", "value": f"3 1 1 {digest}", "ttl": ttl}
        for port in ports
        for digest in digests
    ]


def zone_line(record: Mapping[str, Any]) -> str:
    return f"{record['name']}. {record['ttl']} IN TLSA {record['value']}"
