# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records as they should be beside what each source answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ansible_collections.postern.mail.plugins.plugin_utils._dns.ask import Reply
from ansible_collections.postern.mail.plugins.plugin_utils._dns.findings import Finding, shown
from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import RecordSet
from ansible_collections.postern.mail.plugins.plugin_utils._dns.plan import kind
from ansible_collections.postern.mail.plugins.plugin_utils._dns.world import Source, World, in_parallel

_ONCE = {"spf1": "SPF", "dmarc1": "DMARC", "tlsrptv1": "TLSRPT", "stsv1": "MTA-STS"}
_PUBLISH = "Publish it (dns_do=publish), or tell whoever keeps the zone; caches may hold the old one for its TTL"


@dataclass(frozen=True)
class Difference:
    code: str
    reason: str
    there: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    severity: Literal["error", "warning"] = "error"


def compare(world: World, sets: Sequence[RecordSet], *, resolvers: bool, nameservers: bool) -> list[Finding]:
    """:param resolvers, nameservers: whom to ask"""
    zones = in_parallel(world.zone, list(dict.fromkeys(each.name for each in sets))) if nameservers else {}
    questions = [
        (source, each)
        for each in sets
        for source in [
            *(world.resolvers if resolvers else []),
            *(world.nameservers(zones[each.name]) if nameservers and zones[each.name] else []),
        ]
    ]
    world.together((source, each.name, each.type) for source, each in questions)
    seen: dict[tuple[RecordSet, Difference], list[str]] = {}
    failures: list[_Failure] = []
    answered: set[tuple[RecordSet, str]] = set()
    for source, each in questions:
        reply = world.ask(source, each.name, each.type)
        if reply.status == "failed":
            failures.append(_Failure(source, each, reply.detail, reply.no_way))
            continue
        answered |= {(each, source.zone), (each, source.host)}
        for difference in differences(each, reply, source):
            seen.setdefault((each, difference), []).append(source.title)
    found = [_finding(each, difference, who) for (each, difference), who in seen.items()]
    return [*found, *_silence(failures, answered), *_homeless(world)]


def _finding(each: RecordSet, difference: Difference, who: Iterable[str]) -> Finding:
    there, wanted = shown(each.type, difference.there), shown(each.type, difference.wanted)
    fix = _PUBLISH if difference.wanted or difference.there else ""
    return Finding(
        difference.severity,
        difference.code,
        each.title,
        difference.reason,
        fix,
        there,
        wanted,
        tuple(dict.fromkeys(who)),
    )


@dataclass(frozen=True)
class _Failure:
    source: Source
    asked: RecordSet
    detail: str
    no_way: bool


def _silence(failures: Sequence[_Failure], answered: set[tuple[RecordSet, str]]) -> Iterator[Finding]:
    """Who gave no usable answer; an error where nobody else of its kind answers the same."""
    titles: dict[tuple[str, str], list[_Failure]] = {}
    for failure in failures:
        titles.setdefault((failure.source.title, failure.detail), []).append(failure)
    for (title, detail), those in titles.items():
        if all(each.no_way and (each.asked, each.source.host) in answered for each in those):
            reason = "this machine has no way to that address; what the server says at another of its own was compared"
            yield Finding("warning", "no-way", title, reason)
            continue
        alone = [each for each in those if (each.asked, each.source.zone) not in answered]
        severity: Literal["error", "warning"] = "error" if alone else "warning"
        first = (alone or those)[0].asked.title
        more = f" and {len(those) - 1} more" if len(those) > 1 else ""
        reason = f"it gives no usable answer about {first}{more}: {detail}"
        fix = "Look whether it runs and port 53 is open, UDP and TCP; it may also be this machine that cannot reach it"
        yield Finding(severity, "no-answer", title, reason, fix if not detail.startswith("it answers") else "")


def _homeless(world: World) -> Iterator[Finding]:
    for host, zone in world.homeless.items():
        yield Finding("error", "nameserver-without-address", host, f"this name server of {zone} has no address")


def differences(each: RecordSet, reply: Reply, source: Source) -> Iterator[Difference]:
    """What one answer has otherwise."""
    if source.zone and not reply.authoritative:
        reason = f"a name server of {source.zone} does not know that it is one (no authoritative answer)"
        yield Difference("lame", reason)
        return
    if reply.alias and each.type != "CNAME" and not reply.values:
        if not source.zone:
            yield Difference("alias", f"the name is an alias of {reply.alias}, where there is nothing", (), each.values)
        return
    if each.type == "TXT":
        yield from _texts(each, reply.values)
    elif each.type == "CNAME" and not reply.values:
        yield Difference("missing", "it is missing", (), each.values)
    else:
        yield from _others(each, reply.values)


def _others(each: RecordSet, there: tuple[str, ...]) -> Iterator[Difference]:
    missing = tuple(value for value in each.values if value not in there)
    extra = tuple(value for value in there if value not in each.values)
    if missing:
        reason = "it is missing" if not there else "it is not what it should be"
        yield Difference("different" if there else "missing", reason, extra, missing)
    elif extra:
        reasons = {"MX": "mail is also sent elsewhere", "A": _ELSEWHERE, "AAAA": _ELSEWHERE}
        severity: Literal["error", "warning"] = "error" if each.type in reasons else "warning"
        yield Difference("foreign", reasons.get(each.type, "there is more than needed"), extra, (), severity)


_ELSEWHERE = "the name also leads elsewhere"


def _texts(each: RecordSet, there: tuple[str, ...]) -> Iterator[Difference]:
    if "._domainkey." in each.name:
        yield from _key(each, there)
        return
    for value in each.values:
        which = kind(value)
        alike = tuple(other for other in there if which and kind(other) == which)
        if len(alike) > 1:
            reason = f"there are {len(alike)} {_ONCE[which]} records, and receivers take none of them"
            yield Difference(
                f"two-{_ONCE[which].lower()}-records", reason, tuple(a for a in alike if a != value), (value,)
            )
        elif value not in there:
            reason = f"{_ONCE[which]} is not what it should be" if alike else "it is missing"
            yield Difference("different" if alike else "missing", reason, alike, (value,))


def _key(each: RecordSet, there: tuple[str, ...]) -> Iterator[Difference]:
    if not there:
        yield Difference("missing", "the key is missing: mail signed with it fails DKIM", (), each.values)
    elif len(there) > 1:
        yield Difference(
            "two-dkim-keys", "there are several values, and receivers take any (RFC 6376 3.6.2.2)", there, each.values
        )
    elif _tags(there[0]) != _tags(each.values[0]):
        same = _tags(there[0]).get("p") == _tags(each.values[0]).get("p")
        reason = "the key has other tags" if same else "it is not the key in use: mail signed with it fails DKIM"
        yield Difference("different" if same else "dkim-key", reason, there, each.values)


def _tags(text: str) -> dict[str, str]:
    """Tags of a DKIM key; white space means nothing, and v, k and s have defaults (RFC 6376 3.6.1)."""
    tags = {"v": "DKIM1", "k": "rsa", "s": "*"}
    for part in text.split(";"):
        name, _equals, value = part.partition("=")
        if name.strip():
            tags[name.strip()] = "".join(value.split())
    return tags
