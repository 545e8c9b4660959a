# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fixed cast of visitors whom every policy is tried on: who gets through where, and which element decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import Tables
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import (
    Decision,
    DnsData,
    Service,
    Session,
    Stage,
    Verdict,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.engine import simulate
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial import people
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial.candidates import (
    filter_answer,
    is_loopback,
    is_own,
    stranger,
    zone,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial.people import People

ACCEPT, REFUSE, EITHER = "accept", "refuse", "either"
"""What is expected of a service; ``either``: a matter of taste."""

MX, SUBMISSION, OTHER = "mx", "submission", "other"
"""What a service is for: other servers, users, or something of the administrator's."""


@dataclass(frozen=True, slots=True)
class Persona:
    """:param name: stable, in kebab case

    :param title: who it is, a few words
    :param about: what they do, one sentence
    :param sessions: what they try; the worst outcome counts
    :param expected: purpose of a service -> ACCEPT, REFUSE or EITHER
    :param listed: the client is on every block list
    """

    name: str
    title: str
    about: str
    sessions: Callable[[People], Iterator[Session]]
    expected: Mapping[str, str]
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One persona at one service.

    :param outcome: ``accept``, ``refuse`` (5xx), ``defer`` (4xx), ``discard``, ``down`` (no reply)
    :param stage: the command whose reply decided; None when smtpd did not start
    """

    persona: Persona
    service: str
    purpose: str
    expected: str
    outcome: str
    session: Session
    verdict: Verdict
    stage: Stage | None = None

    @property
    def wanted(self) -> bool | None:
        """Whether it is as expected; None where that is a matter of taste."""
        if self.expected == EITHER:
            return None
        return (self.outcome == ACCEPT) == (self.expected == ACCEPT)

    @property
    def decided_by(self) -> Decision | None:
        return self.stage.decided_by if self.stage else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "persona": self.persona.name,
            "title": self.persona.title,
            "about": self.persona.about,
            "service": self.service,
            "expected": self.expected,
            "outcome": self.outcome,
            "wanted": self.wanted,
            "decided_by": self.decided_by.as_dict() if self.decided_by else None,
            "session": self.session.as_dict(),
            "verdict": self.verdict.as_dict(),
        }


# --- The cast ---

_MX_ADDRESS, _MX_NAME = "203.0.113.25", f"mx.{people.CORRESPONDENT}"
_ROAMING = "198.51.100.200"


def _server(people: People, **more: Any) -> Session:
    """A well-kept server of somebody else."""
    session = Session(
        addr=_MX_ADDRESS,
        name=_MX_NAME,
        helo=_MX_NAME,
        sender=people.friend,
        rcpts=(people.user,),
        data=True,
    )
    return replace(session, **more)


def _laptop(people: People, **more: Any) -> Session:
    """A mail program in a hotel: no name in the reverse DNS, a HELO out of its own head."""
    session = Session(
        addr=_ROAMING,
        name="unknown",
        helo="[192.168.1.23]",
        login=people.login,
        sender=people.user,
        rcpts=(people.friend,),
        data=True,
    )
    return replace(session, **more)


def _relaying(people: People) -> Iterator[Session]:
    plain = _server(people, addr="198.51.100.66", name="unknown", helo="bulk.example", rcpts=(people.friend,))
    yield replace(plain, sender="offer@bulk.example")
    yield replace(plain, sender="")
    yield replace(plain, addr=_MX_ADDRESS, name=_MX_NAME, helo=_MX_NAME)
    if people.user:
        yield replace(plain, sender=people.user)
    yield replace(plain, sender="offer@bulk.example", helo=people.hostname)
    yield replace(plain, sender="offer@bulk.example", helo=None)
    for recipient in people.detours:
        yield replace(plain, sender="offer@bulk.example", rcpts=(recipient,))


def _ordinary(people: People) -> Iterator[Session]:
    if people.user:
        yield _server(people)


def _unknown_user(people: People) -> Iterator[Session]:
    if people.nobody:
        yield _server(people, rcpts=(people.nobody,))


def _bounce(people: People) -> Iterator[Session]:
    if people.user:
        yield _server(people, sender="")


def _postmaster(people: People) -> Iterator[Session]:
    if people.domain:
        yield _server(people, rcpts=(f"postmaster@{people.domain}",))


def _logged_in(people: People) -> Iterator[Session]:
    if people.user:
        yield _laptop(people)
        yield _laptop(people, helo="laptop")


def _not_logged_in(people: People) -> Iterator[Session]:
    if people.user:
        yield _laptop(people, login="")


def _forger(people: People) -> Iterator[Session]:
    if people.colleague:
        yield _laptop(people, sender=people.colleague)


def _by_alias(people: People) -> Iterator[Session]:
    if people.alias:
        yield _laptop(people, sender=people.alias)


def _our_sender(people: People) -> Iterator[Session]:
    if people.colleague:
        yield _server(people, addr="198.51.100.66", name="unknown", helo="bulk.example", sender=people.colleague)


def _listed(people: People) -> Iterator[Session]:
    if people.user:
        name = "dsl-66.bulk.example"
        yield _server(people, addr="198.51.100.66", name=name, helo=name, sender="offer@bulk.example")


def _unkempt(people: People) -> Iterator[Session]:
    if people.user:
        yield _server(people, addr="203.0.113.99", name="unknown", helo="mail")


def _own_host(people: People) -> Iterator[Session]:
    yield _server(
        people,
        addr="127.0.0.1",
        name="localhost",
        helo=people.hostname,
        sender=people.user or f"root@{people.hostname}",
        rcpts=(people.friend,),
    )


_EVERYWHERE_REFUSED = {MX: REFUSE, SUBMISSION: REFUSE, OTHER: REFUSE}
_INBOUND = {MX: ACCEPT, SUBMISSION: REFUSE, OTHER: EITHER}
_ACCEPTED_MAIL = {MX: ACCEPT, SUBMISSION: EITHER, OTHER: EITHER}
_OUTBOUND = {MX: EITHER, SUBMISSION: ACCEPT, OTHER: EITHER}
_TASTE = {MX: EITHER, SUBMISSION: EITHER, OTHER: EITHER}
_FORGED = {MX: EITHER, SUBMISSION: REFUSE, OTHER: EITHER}

CAST: tuple[Persona, ...] = (
    Persona(
        "stranger-relaying",
        "Stranger who relays",
        "Somebody out of nowhere sends to an address elsewhere, in many shapes.",
        _relaying,
        _EVERYWHERE_REFUSED,
    ),
    Persona(
        "ordinary-mail",
        "Another mail server",
        "A well-kept server brings mail for one of your users.",
        _ordinary,
        _INBOUND,
    ),
    Persona(
        "unknown-user",
        "Mail for nobody",
        "A well-kept server brings mail for an address of yours that does not exist.",
        _unknown_user,
        _EVERYWHERE_REFUSED,
    ),
    Persona(
        "bounce",
        "A bounce",
        "Another server tells one of your users, with the empty sender, that mail could not be delivered.",
        _bounce,
        _INBOUND,
    ),
    Persona(
        "postmaster",
        "Mail to postmaster",
        "Another server's administrator writes to your postmaster (RFC 5321 4.5.1).",
        _postmaster,
        _ACCEPTED_MAIL,
    ),
    Persona(
        "roaming-user",
        "User on the road, logged in",
        "One of your users sends from a hotel whose address has no name, after logging in.",
        _logged_in,
        _OUTBOUND,
    ),
    Persona(
        "roaming-user-listed",
        "User at home, logged in",
        "One of your users sends from a dial-up address that is on every block list, after logging in.",
        _logged_in,
        _OUTBOUND,
        listed=True,
    ),
    Persona(
        "roaming-user-without-login",
        "User on the road, not logged in",
        "One of your users, or somebody who says so, sends to an address elsewhere without logging in.",
        _not_logged_in,
        _EVERYWHERE_REFUSED,
    ),
    Persona(
        "forging-user",
        "User who forges a colleague",
        "One of your users logs in and sends with the address of another user.",
        _forger,
        _FORGED,
    ),
    Persona(
        "user-with-alias",
        "User who sends from an alias",
        "One of your users logs in and sends with another address that is theirs.",
        _by_alias,
        _OUTBOUND,
    ),
    Persona(
        "stranger-with-our-sender",
        "Stranger with one of your addresses",
        "A stranger writes to one of your users and gives another one's address as sender.",
        _our_sender,
        _TASTE,
    ),
    Persona(
        "listed-host",
        "Host on block lists",
        "A host that every block list knows brings mail for one of your users.",
        _listed,
        _TASTE,
        listed=True,
    ),
    Persona(
        "unkempt-host",
        "Honest server, badly set up",
        "A server without a name in the reverse DNS, which says HELO mail, brings mail for one of your users.",
        _unkempt,
        _TASTE,
    ),
    Persona(
        "own-host",
        "Program on this machine",
        "A program on this machine sends through 127.0.0.1 to an address elsewhere.",
        _own_host,
        _TASTE,
    ),
)


# --- The matrix ---


def matrix(
    policy: Policy,
    dns: DnsData | None = None,
    absent_tables: str = "empty",
    cast: Sequence[Persona] = CAST,
) -> tuple[Row, ...]:
    """Every persona at every service that strangers reach.

    Tables whose content is not known get the users whom the personas need; the verdicts say so as assumptions.

    :param dns: names that are known; the personas' own come in addition
    :param absent_tables: what tables are that the policy lacks, as for ``simulate``
    """
    rows: list[Row] = []
    for service in reachable(policy):
        someone = people.of(policy, service.key)
        for persona in cast:
            row = _row(someone, service, persona, dns or {}, absent_tables)
            if row is not None:
                rows.append(row)
    return tuple(rows)


def reachable(policy: Policy) -> tuple[Service, ...]:
    """Services that run smtpd and listen to others than this machine, each once."""
    found: dict[str, Service] = {}
    for service in policy.smtpd_services():
        if service.type in {"inet", "pass"} and not is_loopback(service):
            found.setdefault(service.key, service)
    return tuple(found.values())


def purpose(policy: Policy, service: Service) -> str:
    port = service.name.rpartition(":")[2]
    if service.type == "pass" or port in {"smtp", "25"}:
        return MX
    return SUBMISSION if port in {"submission", "submissions", "smtps", "587", "465"} else OTHER


def _row(someone: People, service: Service, persona: Persona, dns: DnsData, absent: str) -> Row | None:
    role = purpose(someone.policy, service)
    expected = _expected(someone, persona, role)
    best: Row | None = None
    for session in persona.sessions(someone):
        row = _tried(someone, persona, expected, role, replace(session, service=service.key), dns, absent)
        if best is None or _worse(row, best):
            best = row
    return best


def _expected(someone: People, persona: Persona, role: str) -> str:
    expected = persona.expected[role]
    if persona.name == "unknown-user" and role == MX and not someone.users_known:
        return EITHER
    if persona.name in {"forging-user", "user-with-alias"} and not someone.senders_checked:
        return EITHER
    if persona.name == "listed-host" and role == MX and someone.block_lists:
        return REFUSE
    if persona.name == "own-host" and role == MX and someone.trusts_itself:
        return ACCEPT
    return expected


def _worse(row: Row, other: Row) -> bool:
    if row.expected == REFUSE:
        return row.outcome == ACCEPT and other.outcome != ACCEPT
    return row.outcome != ACCEPT and other.outcome == ACCEPT


def _tried(
    someone: People, persona: Persona, expected: str, role: str, session: Session, dns: DnsData, absent: str
) -> Row:
    if not someone.auth:
        session = replace(session, login="")
    session = _outside(someone, session)
    verdict = simulate(
        someone.policy, session, {**_world(someone, session, persona), **dns}, absent, dict(someone.answers)
    )
    outcome, stage = _outcome(verdict)
    return Row(persona, session.service, role, expected, outcome, session, verdict, stage)


def _outside(someone: People, session: Session) -> Session:
    """The session from an address that mynetworks does not hold: a policy may trust those of our visitors."""
    if session.addr == "127.0.0.1":
        return session
    settings = someone.policy.settings(session.service)
    tables = Tables(settings, someone.policy.tables, "empty")
    if is_own(settings, tables, session.addr):
        return replace(session, addr=stranger(settings, tables))
    return session


def _world(someone: People, session: Session, persona: Persona) -> DnsData:
    """A DNS in which everybody's names are in order, and the listed are listed."""
    addresses = [session.sender or "", *session.rcpts]
    names = [address.rpartition("@")[2] for address in addresses]
    names += [name for name in (session.name, session.helo) if name]
    lists = []
    if persona.listed:
        lists = [("address", domain, filter_answer(answer)) for domain, answer in someone.block_lists]
    return zone([*names, someone.domain, someone.hostname], session.addr, lists, "", ("", ""))


def _outcome(verdict: Verdict) -> tuple[str, Stage | None]:
    refused = next((stage for stage in verdict.stages if stage.code == 0 or stage.code >= 400), None)
    if refused is not None:
        return ("down" if refused.code == 0 else "refuse" if refused.code >= 500 else "defer"), refused
    if verdict.fatal or verdict.crash:
        return "down", None
    discarded = next((stage for stage in verdict.stages if stage.action == "discard"), None)
    if discarded is not None:
        return "discard", discarded
    return ACCEPT, next((stage for stage in verdict.stages if stage.stage == "RCPT"), None)
