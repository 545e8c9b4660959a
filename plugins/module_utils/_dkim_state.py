# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The life of a DKIM key: what is made, published, used, kept and revoked, and when. No files, no clock, no network.

    pending   made and published, but not yet seen in DNS: nothing is signed with it
    active    signs
    retiring  signs no more; its record stays until all mail it signed has arrived
    revoked   its private key is gone and its record says so (p= is empty, RFC 6376 3.6.1)

After that the key is forgotten and its record may go. Every step is taken from the state alone, so a run that was
killed, or never came, costs nothing but time.
"""

from __future__ import annotations

import re
import string
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

PENDING, ACTIVE, RETIRING, REVOKED = "pending", "active", "retiring", "revoked"
STATUSES = (PENDING, ACTIVE, RETIRING, REVOKED)
MADE, GIVEN = "made", "given"

# RFC 6376 3.1: sub-domains joined by dots, each a label of letters, digits and inner hyphens (RFC 5321 4.1.2).
SELECTOR = re.compile(r"(?=.{1,63}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.ASCII)
_DURATION = re.compile(r"(\d+)\s*(s|m|h|d|w)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
LONGEST_PREFIX = 63 - len("-20260101z")
"""of what free_selector() puts the date behind"""


def is_selector(text: str) -> bool:
    """Whether the text can be a selector; upper case is not, since DNS does not tell it from lower case."""
    return SELECTOR.fullmatch(text) is not None


def seconds(text: str) -> int:
    """``180d`` -> 15552000.

    :raises ValueError: it is no number with s, m, h, d or w
    """
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise ValueError("write a whole number and s, m, h, d or w (weeks), such as: 180d")
    return int(found.group(1)) * _SECONDS[found.group(2)]


@dataclass(frozen=True)
class Key:
    """One selector of one domain.

    :param since: when it got its status, in seconds since 1970
    :param made: when the key was made or first given
    :param public: content of p=; the private key is in a file of its own
    """

    domain: str
    selector: str
    status: str
    since: int
    made: int
    origin: str = MADE
    kind: str = "rsa"
    bits: int = 0
    public: str = ""

    @property
    def name(self) -> str:
        """Where its record is; also its name in the key table, so that two domains may use one selector."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def path(self) -> str:
        """Its private key, below the directory of keys."""
        return f"{self.domain}/{self.selector}.pem"

    def turned(self, status: str, now: int) -> Key:
        return replace(self, status=status, since=now)


@dataclass(frozen=True)
class Given:
    """A key of the inventory."""

    domain: str
    selector: str
    kind: str
    bits: int
    public: str


def record(key: Key) -> dict[str, str]:
    """Its DNS record. h=sha256: a signature with SHA-1 that claims to be ours must not count (RFC 8301)."""
    if key.status == REVOKED:
        value = f"v=DKIM1; k={key.kind}; p="
    else:
        value = f"v=DKIM1; h=sha256; k={key.kind}; s=email; p={key.public}"
    return {"name": key.name, "type": "TXT", "value": value}


def zone_line(key: Key) -> str:
    """Its record as a line of a zone file: strings of at most 255 octets (RFC 6376 3.6.2.2)."""
    text = record(key)["value"]
    strings = " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))
    return f"{key.name}. IN TXT {strings}"


def load(data: Any) -> list[Key]:
    """The keys of a state file.

    :raises ValueError: it is none
    """
    try:
        if data["version"] != 1:
            raise ValueError(f"version {data['version']} is not known")
        keys = [Key(**each) for each in data["keys"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a list of keys ({error})") from error
    for key in keys:
        if key.status not in STATUSES or not is_selector(key.selector):
            raise ValueError(f"{key.name} cannot be {key.status}")
    return keys


def dump(keys: Iterable[Key]) -> dict[str, Any]:
    return {
        "version": 1,
        "keys": [asdict(key) for key in sorted(keys, key=lambda key: (key.domain, key.made, key.name))],
    }


def free_selector(keys: Iterable[Key], domain: str, prefix: str, now: int) -> str:
    """``prefix-20261122``; a letter follows where that day has made one already.

    :raises ValueError: more keys of one domain and day than there are letters
    """
    taken = {key.selector for key in keys if key.domain == domain}
    day = f"{prefix}-{time.strftime('%Y%m%d', time.gmtime(now))}"
    for name in [day, *(f"{day}{letter}" for letter in string.ascii_lowercase[1:])]:
        if name not in taken:
            return name
    raise ValueError(f"{domain} has had {len(string.ascii_lowercase)} keys today")


Make = Callable[[str, str], Key]
"""(domain, selector) -> a new key, its private key written."""


def ensure(
    keys: Sequence[Key], domains: Collection[str], given: Sequence[Given], prefix: str, now: int, make: Make
) -> list[Key]:
    """Every domain that is wanted signs with a key, and nobody else does.

    :param domains: all that sign; those without a key in ``given`` have one of their own
    """
    inventory = {(each.domain, each.selector): each for each in given}
    kept = [_wanted_or_not(key, domains, inventory, now) for key in keys]
    result = [key for key in kept if key is not None]
    for each in given:
        if not any((key.domain, key.selector) == (each.domain, each.selector) for key in result):
            result.append(Key(each.domain, each.selector, ACTIVE, now, now, GIVEN, each.kind, each.bits, each.public))
    supplied = {each.domain for each in given}
    for domain in sorted(set(domains) - supplied):
        if not any(key.domain == domain and key.status == ACTIVE for key in result):
            # Nothing signs for it yet, and a key that nobody knows yet does no harm (RFC 6376 6.1).
            result.append(make(domain, free_selector(result, domain, prefix, now)).turned(ACTIVE, now))
    return result


def _wanted_or_not(key: Key, domains: Collection[str], inventory: dict[tuple[str, str], Given], now: int) -> Key | None:
    entry = inventory.get((key.domain, key.selector))
    if entry is not None:
        status = key if key.status == ACTIVE else key.turned(ACTIVE, now)
        return replace(status, origin=GIVEN, kind=entry.kind, bits=entry.bits, public=entry.public)
    supplied = {domain for domain, __ in inventory}
    wanted = key.origin == MADE and key.domain in domains and key.domain not in supplied
    if wanted or key.status in (RETIRING, REVOKED):
        return key
    return key.turned(RETIRING, now) if key.status == ACTIVE else None


def due(keys: Sequence[Key], after: int, settle: int, force: bool, now: int) -> list[str]:
    """Domains whose key is to be replaced: a new one is to be made now.

    :param after: age in seconds at which a key is replaced; 0 is never
    :param settle: with ``force``, a rotation that ended less than this many seconds ago is not followed by another, so
        that a run which was killed and started again does not rotate twice
    """
    found = []
    for key in keys:
        if key.status != ACTIVE or key.origin != MADE:
            continue
        others = [other for other in keys if other.domain == key.domain and other is not key]
        if any(other.status == PENDING for other in others):
            continue
        just_done = any(other.status == RETIRING and now - other.since < settle for other in others)
        old = after > 0 and now - key.made >= after
        if (force and not just_done) or old:
            found.append(key.domain)
    return sorted(set(found))


def begin(keys: Sequence[Key], domains: Iterable[str], prefix: str, now: int, make: Make) -> list[Key]:
    """A pending key for each of the domains."""
    result = list(keys)
    for domain in domains:
        result.append(make(domain, free_selector(result, domain, prefix, now)).turned(PENDING, now))
    return result


def switch(keys: Sequence[Key], visible: Collection[str], now: int) -> list[Key]:
    """Sign with the pending keys that the world sees; those that signed until now retire."""
    ready = {key.domain for key in keys if key.status == PENDING and key.name in visible}
    result = []
    for key in keys:
        if key.status == PENDING and key.name in visible:
            result.append(key.turned(ACTIVE, now))
        elif key.status == ACTIVE and key.domain in ready:
            result.append(key.turned(RETIRING, now))
        else:
            result.append(key)
    return result


def retire(keys: Sequence[Key], keep: int, keep_revoked: int, now: int) -> list[Key]:
    """Revoke what has been retiring for ``keep`` seconds, forget what has been revoked for ``keep_revoked``."""
    revoked = [key.turned(REVOKED, now) if key.status == RETIRING and now - key.since >= keep else key for key in keys]
    return [key for key in revoked if key.status != REVOKED or now - key.since < keep_revoked or key.since == now]
