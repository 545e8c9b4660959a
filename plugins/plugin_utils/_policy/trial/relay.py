# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The search for a stranger whom a policy lets relay: a session that proves an open relay.

Sessions are made of what the policy itself names (keys of its tables, host names, policy services, allow lists) and
played to the simulator. It goes as a fuzzer does: a session that makes smtpd take a way not seen before is varied
further. What is found is certain, as far as the simulator is right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup import interfaces
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.resolve import AddressClass, resolve
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import Tables
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import (
    DnsData,
    PolicyError,
    Session,
    Stage,
    Step,
    Verdict,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, Settings
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.engine import simulate
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial.candidates import (
    LISTS,
    STRANGER_DOMAIN,
    Client,
    is_loopback,
    pools,
    zone,
)

RELAY = "smtpd_relay_restrictions"
RECIPIENT = "smtpd_recipient_restrictions"
GUARDS = frozenset({"reject_unauth_destination", "defer_unauth_destination", "check_relay_domains"})

BUDGET = 400
"""Sessions played for one service of an ordinary policy."""
_WORK = 30_000
"""Upper limit of sessions times words of the lists: long lists are given fewer."""
_ENOUGH = 12
"""Ways in that are told; one more would not change what is to be done."""

Coverage = frozenset[tuple[str, int, str, int]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One session to try, with the world around it.

    :param order: how much of the DNS is in the stranger's favour: 0 nothing exists, 1 his own names do, 2 allow lists
        list him, 3 his domain's MX is this server
    :param says_ok: policy services that answer OK
    """

    client: Client
    helo: str | None
    sender: str
    recipient: str
    order: int = 0
    says_ok: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Opening:
    """The element by which the stranger came in.

    :param index: None when no element did: nothing refused him
    :param why: what the simulator says of it
    """

    parameter: str
    index: int | None
    element: str
    why: str


@dataclass(frozen=True, slots=True)
class Witness:
    """A stranger who relays.

    :param attempt: with as little out of the ordinary as the policy lets him in with
    :param plain: the same without anything out of the ordinary
    :param by_domain: the recipient's domain counts as one of this server's
    :param certain: it does not rest on tables that were not given
    """

    service: str
    attempt: Attempt
    plain: Attempt
    opening: Opening
    session: Session
    dns: DnsData
    answers: Mapping[str, str]
    by_domain: bool
    certain: bool = True


class Search:
    """The search in one service."""

    def __init__(self, policy: Policy, service: str) -> None:
        self._policy = policy
        self._service = service
        self._settings = policy.settings(service)
        self._tables = Tables(self._settings, policy.tables, "empty")
        self._pools = pools(self._settings, self._tables)
        self._seen: set[tuple[str, int, str, int]] = set()
        self._tried: set[Attempt] = set()
        self._left = budget(self._settings)
        self.fatal = False

    def run(self) -> Iterator[Witness]:
        """Witnesses, each with another opening."""
        pool = self._pools
        plain = Attempt(pool.clients[0], pool.helos[0], pool.senders[0], pool.recipients[0])
        found: set[tuple[str, int | None, str]] = set()
        queue = deque([plain, *self._starts(plain)])
        while queue and self._left > 0 and not self.fatal and len(found) < _ENOUGH:
            attempt = queue.popleft()
            if attempt in self._tried:
                continue
            verdict, stage = self._play(attempt)
            if stage is not None and self._relays(attempt, verdict, stage):
                opening = self._opening(stage)
                simple = self._simplest(attempt, plain, opening)
                key = (opening.parameter, opening.index, _out_of_the_ordinary(simple, plain))
                if key not in found:
                    found.add(key)
                    yield self._witness(simple, plain, opening)
                if simple == plain:
                    return  # whatever else lets strangers in is not of interest
            elif self._is_news(verdict):
                queue.extend(self._variations(attempt))

    def _starts(self, plain: Attempt) -> Iterator[Attempt]:
        """Beginnings that many policies answer differently."""
        pool = self._pools
        orderly = replace(plain, client=pool.clients[1], order=1)
        yield orderly
        yield replace(plain, sender="", order=1)
        if pool.endpoints:
            yield replace(plain, says_ok=frozenset(pool.endpoints))
            yield replace(orderly, says_ok=frozenset(pool.endpoints))
        if pool.allow_lists:
            yield replace(orderly, order=2)
        if pool.mx_backup:
            yield replace(plain, order=3)
            yield replace(orderly, order=3)

    def _variations(self, attempt: Attempt) -> Iterator[Attempt]:
        pool = self._pools
        for client in pool.clients:
            yield replace(attempt, client=client)
        for helo in pool.helos:
            yield replace(attempt, helo=helo)
        for sender in pool.senders:
            yield replace(attempt, sender=sender)
        for recipient in pool.recipients:
            yield replace(attempt, recipient=recipient)
        for endpoint in pool.endpoints:
            yield replace(attempt, says_ok=attempt.says_ok ^ {endpoint})
        for order in range(4 if pool.mx_backup else 3 if pool.allow_lists else 2):
            yield replace(attempt, order=order)

    # --- One session ---

    def _play(self, attempt: Attempt, *, data: bool = False) -> tuple[Verdict, Stage | None]:
        self._tried.add(attempt)
        self._left -= 1
        try:
            verdict = simulate(
                self._policy,
                self._session(attempt, data=data),
                self._dns(attempt),
                absent_tables="empty",
                answers=self._answers(attempt),
            )
        except PolicyError:
            self.fatal = True
            return Verdict(fatal=True), None
        if verdict.fatal or (verdict.crash and not verdict.stages):
            self.fatal = True
        stage = next((stage for stage in verdict.stages if stage.stage == "RCPT"), None)
        return verdict, stage

    def _session(self, attempt: Attempt, *, data: bool = False) -> Session:
        return Session(
            addr=attempt.client.addr,
            name=attempt.client.name,
            reverse=attempt.client.reverse,
            helo=attempt.helo,
            sender=attempt.sender,
            rcpts=(attempt.recipient,),
            data=data,
            service=self._service,
        )

    def _dns(self, attempt: Attempt) -> DnsData:
        if attempt.order == 0:
            return {}
        client = attempt.client
        domains = [address.rpartition("@")[2] for address in (attempt.sender, attempt.recipient)]
        names = [name for name in (client.name, client.reverse, attempt.helo, *domains) if name]
        lists = self._pools.allow_lists if attempt.order >= 2 else []
        backup = domains[1] if attempt.order == 3 else ""
        return zone(names, client.addr, lists, backup, _ourselves(self._settings))

    def _answers(self, attempt: Attempt) -> dict[str, str]:
        return dict.fromkeys(attempt.says_ok, "action=OK")

    def _is_news(self, verdict: Verdict) -> bool:
        """Whether smtpd went a way that no earlier session made it go."""
        way = {
            (step.parameter, step.index, step.result, step.depth) for stage in verdict.stages for step in stage.trail
        } | {(stage.stage, stage.code, stage.text[:40], -1) for stage in verdict.stages if stage.code >= 400}
        news = not way <= self._seen
        self._seen |= way
        return news

    # --- What was found ---

    def _relays(self, attempt: Attempt, verdict: Verdict, stage: Stage) -> bool:
        """Whether mail for a domain that is not this server's was accepted."""
        if stage.code != 250 or stage.action != "permit" or verdict.crash:
            return False
        if attempt.recipient != self._pools.recipients[0] and attempt.recipient not in self._pools.below_top_level:
            where = resolve(self._settings, self._tables, attempt.recipient)
            if where.authorized or where.failed or where.error:
                return False
        whole, _stage = self._play(attempt, data=True)
        last = whole.stages[-1] if whole.stages else None
        return last is not None and last.stage == "EOD" and last.code == 250 and last.action == "permit"

    def _opening(self, stage: Stage) -> Opening:
        permits: dict[str, list[Step]] = {RELAY: [], RECIPIENT: []}
        guarded = set()
        current = ""
        for step in stage.trail:
            if step.depth == 0:
                current = step.parameter
            if current in permits:
                if step.result == "permit":
                    permits[current].append(step)
                elif step.element.lower().split(" ")[0] in GUARDS:
                    guarded.add(current)
        for name in (RELAY, RECIPIENT):
            outer = next((step for step in reversed(permits[name]) if step.depth == 0), None)
            if outer is not None:
                inner = max(permits[name], key=lambda step: step.depth)
                return Opening(name, outer.index, outer.element, inner.why)
        listed = RELAY if self._settings[RELAY].strip() else RECIPIENT
        return Opening(listed, None, "", "nothing in the lists refuses it")

    def _simplest(self, attempt: Attempt, plain: Attempt, opening: Opening) -> Attempt:
        """The attempt with everything taken back that does not matter."""
        simple = attempt
        for name in ("order", "says_ok", "client", "sender", "helo", "recipient"):
            trial = replace(simple, **{name: getattr(plain, name)})
            if trial != simple and self._same(trial, opening):
                simple = trial
        return simple

    def _same(self, attempt: Attempt, opening: Opening) -> bool:
        verdict, stage = self._play(attempt)
        return stage is not None and self._relays(attempt, verdict, stage) and self._opening(stage) == opening

    def _witness(self, attempt: Attempt, plain: Attempt, opening: Opening) -> Witness:
        where = resolve(self._settings, self._tables, attempt.recipient)
        return Witness(
            service=self._service,
            attempt=attempt,
            plain=plain,
            opening=opening,
            session=self._session(attempt),
            dns=self._dns(attempt),
            answers=self._answers(attempt),
            by_domain=where.address_class is not AddressClass.DEFAULT,
            certain=self._is_certain(attempt),
        )

    def _is_certain(self, attempt: Attempt) -> bool:
        """Whether the files that were not given may as well be missing."""
        try:
            verdict = simulate(
                self._policy, self._session(attempt), self._dns(attempt), "missing", self._answers(attempt)
            )
        except PolicyError:
            return False
        return any(stage.stage == "RCPT" and stage.code == 250 for stage in verdict.stages)


def _out_of_the_ordinary(attempt: Attempt, plain: Attempt) -> str:
    """Names of the attributes by which an attempt differs; one element may let strangers in by several."""
    names = ("client", "helo", "sender", "recipient", "says_ok")
    return " ".join(name for name in names if getattr(attempt, name) != getattr(plain, name))


def _ourselves(settings: Settings) -> tuple[str, str]:
    """Name and address of this server, as smtpd knows them."""
    try:
        own = [*interfaces.proxies(settings), *interfaces.addresses(settings, lambda _assumption: None)]
        return settings["myhostname"], next(iter(own), "127.0.0.1")
    except PolicyError:
        return "localhost", "127.0.0.1"


def budget(settings: Settings) -> int:
    """Sessions to play: fewer when the lists are long, so that the time stays the same."""
    words = list_length(settings)
    return max(3, min(BUDGET, _WORK // max(words, 1)))


def list_length(settings: Settings) -> int:
    """Elements of all lists together: what one session costs."""
    total = 0
    for name in LISTS:
        try:
            total += len(settings.elements(name))
        except PolicyError:
            continue
    return total


def witnesses(policy: Policy, service: str) -> list[Witness]:
    """Strangers whom one service lets relay; empty when none was found.

    :raises PolicyError: no such service
    """
    try:
        return list(Search(policy, service).run())
    except PolicyError:
        policy.service(service)
        return []  # a value that cannot be read: smtpd does not start


def is_open(policy: Policy) -> bool:
    """Whether some service that others reach lets a stranger relay."""
    return any(witnesses(policy, service.key) for service in policy.smtpd_services() if not is_loopback(service))


__all__ = ["STRANGER_DOMAIN", "Attempt", "Opening", "Search", "Witness", "is_open", "witnesses"]
