# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``check_*_access``: which name of the session a table is asked for, and what its answer does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.access import Access, Found
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import TableError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate import replies
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.destination import resolved
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.endpoints import table_name
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import Argument, Context, Rule
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.results import BROKEN_TABLE, Hit, apply
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import Outcome, State, Status

_LookUp = Callable[[Access], Found | None]


class Subject(NamedTuple):
    """What a restriction judges.

    :param key: name that is looked up; None where the session has none
    :param shown: how replies quote it
    """

    key: str | None
    shown: str
    reply_class: str


def _client(state: State) -> Subject:
    return Subject(state.name.text, state.namaddr, replies.CLIENT)


def _known_client(state: State) -> Subject:
    key = None if state.name.text.lower() == "unknown" else state.name.text
    return Subject(key, state.namaddr, replies.CLIENT)


def _known_reverse(state: State) -> Subject:
    key = None if state.reverse.text.lower() == "unknown" else state.reverse.text
    return Subject(key, state.reverse.text, replies.REVERSE_CLIENT)


def _helo(state: State) -> Subject:
    return Subject(state.helo, state.helo or "", replies.HELO)


def _etrn(state: State) -> Subject:
    return Subject(state.etrn, state.etrn or "", replies.ETRN)


def _sender(state: State) -> Subject:
    return Subject(state.sender or None, state.sender or "", replies.SENDER)


def _recipient(state: State) -> Subject:
    return Subject(state.recipient or None, state.recipient or "", replies.RECIPIENT)


def _ask(state: State, table: str, subject: Subject, context: Context, look_up: _LookUp) -> Outcome:
    """Looks up and applies the result; a table that fails rejects by itself."""
    if table not in state.server.access:
        answer = Hit(table, "", BROKEN_TABLE, subject.shown, subject.reply_class, context.table_check)
        return _broken(state, answer, f"{table} is no table that smtpd opened")
    for opened in state.server.access[table].tables:
        state.server.tables.tell(opened.reference, state)
    try:
        found = look_up(state.server.access_to(state))
    except TableError as error:
        answer = Hit(table, "", BROKEN_TABLE, subject.shown, subject.reply_class, context.table_check)
        return _broken(state, answer, error.text)
    if found is None:
        return Outcome(Status.DUNNO, f"{table} has nothing for {subject.key or 'the null sender'}")
    return apply(state, Hit(table, found.key, found.value, subject.shown, subject.reply_class, context.table_check))


def _broken(state: State, hit: Hit, why: str) -> Outcome:
    outcome = apply(state, hit)
    return Outcome(outcome.status, why, outcome.result)


def _no_subject(what: str) -> Outcome:
    return Outcome(Status.DUNNO, f"the session has no {what}", "skip")


def _client_access(state: State, table: str, context: Context) -> Outcome:
    subject = _client(state)
    return _ask(state, table, subject, context, lambda access: access.client(table, state.name.text, state.addr))


def _reverse_access(state: State, table: str, context: Context) -> Outcome:
    subject = Subject(state.reverse.text, state.reverse.text, replies.REVERSE_CLIENT)
    outcome = _ask(state, table, subject, context, lambda access: access.client(table, state.reverse.text, state.addr))
    return _forbid_ok(state, outcome, "check_reverse_client_hostname_access")


def _forbid_ok(state: State, outcome: Outcome, name: str) -> Outcome:
    """Data that the client's side chooses must not permit anything."""
    if outcome.status is Status.OK and not state.discard:
        raise state.server_error(f"{outcome.why}, and {name} must not answer OK: the client chooses that data")
    return outcome


def _helo_access(state: State, table: str, context: Context) -> Outcome:
    name = state.helo
    if name is None:
        return _no_subject("HELO name")
    return _ask(state, table, _helo(state), context, lambda access: access.domain(table, name))


def _etrn_access(state: State, table: str, context: Context) -> Outcome:
    name = state.etrn
    if name is None:
        return _no_subject("ETRN domain")
    return _ask(state, table, _etrn(state), context, lambda access: access.domain(table, name))


def _sender_access(state: State, table: str, context: Context) -> Outcome:
    if state.sender is None:
        return _no_subject("sender")
    subject = Subject(state.sender, state.sender, replies.SENDER)
    if state.sender == "":
        return _ask(state, table, subject, context, lambda access: access.null_sender(table))
    answer = resolved(state, state.sender, state.recipient)
    if "@" not in answer.recipient:
        return Outcome(Status.DUNNO, f"{answer.recipient} has no domain")
    return _ask(state, table, subject, context, lambda access: access.mail(table, answer))


def _recipient_access(state: State, table: str, context: Context) -> Outcome:
    if state.recipient is None:
        return _no_subject("recipient, or more than one")
    answer = resolved(state, state.recipient, state.sender)
    if "@" not in answer.recipient:
        return Outcome(Status.DUNNO, f"{answer.recipient} has no domain")
    outcome = _ask(state, table, _recipient(state), context, lambda access: access.mail(table, answer))
    if outcome.status is Status.OK and answer.routed and not state.server.flag("allow_untrusted_routing"):
        return Outcome(Status.DUNNO, f"{outcome.why}, ignored: the address holds a route to somewhere else")
    return outcome


def _server_access(
    name: str, rrtype: str, pick: Callable[[State], Subject], what: str
) -> Callable[[State, str, Context], Outcome]:
    """``check_*_mx_access``, ``_ns_`` and ``_a_``: of the hosts that a name leads to."""

    def check(state: State, table: str, context: Context) -> Outcome:
        subject = pick(state)
        key = subject.key
        if key is None:
            return _no_subject(what)
        outcome = _ask(state, table, subject, context, lambda access: access.server(table, key, rrtype))
        return _forbid_ok(state, outcome, name)

    return check


def _ccert_access(state: State, table: str, _context: Context) -> Outcome:
    if not table_name(table):
        raise state.server_error(f"{table} is no table that Postfix can read")
    return _no_subject("client certificate")


def _sasl_access(state: State, table: str, context: Context) -> Outcome:
    if not state.server.flag("smtpd_sasl_auth_enable"):
        return Outcome(Status.DUNNO, "ignored: smtpd_sasl_auth_enable is no", "skip")
    login = state.login
    if not login:
        return _no_subject("login")
    subject = Subject(login, login, replies.SASL_USER)
    return _ask(state, table, subject, context, lambda access: access.full(table, login))


def _of_hosts() -> dict[str, Rule]:
    picks: Mapping[str, tuple[Callable[[State], Subject], str]] = {
        "client": (_known_client, "verified client name"),
        "reverse_client_hostname": (_known_reverse, "reverse client name"),
        "helo": (_helo, "HELO name"),
        "sender": (_sender, "sender"),
        "recipient": (_recipient, "recipient, or more than one"),
    }
    rules: dict[str, Rule] = {}
    for subject, (pick, what) in picks.items():
        for kind in ("mx", "ns", "a"):
            name = f"check_{subject}_{kind}_access"
            rules[name] = Rule(Argument.TABLE, _server_access(name, kind.upper(), pick, what))
    return rules


RULES: Mapping[str, Rule] = {
    "check_client_access": Rule(Argument.TABLE, _client_access),
    "check_reverse_client_hostname_access": Rule(Argument.TABLE, _reverse_access),
    "check_helo_access": Rule(Argument.TABLE, _helo_access),
    "check_etrn_access": Rule(Argument.TABLE, _etrn_access),
    "check_sender_access": Rule(Argument.TABLE, _sender_access),
    "check_recipient_access": Rule(Argument.TABLE, _recipient_access),
    "check_ccert_access": Rule(Argument.TABLE, _ccert_access),
    "check_sasl_access": Rule(Argument.TABLE, _sasl_access),
    **_of_hosts(),
}
