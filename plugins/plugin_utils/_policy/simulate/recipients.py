# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an address exists: what smtpd says of unknown users (check_rcpt_maps())."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.addrfind import Hit, find_address
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.resolve import AddressClass, Resolved
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import TableError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Step
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import fold
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate import replies
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.destination import resolved
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import (
    Abandoned,
    Outcome,
    State,
    Status,
)


class _Users(NamedTuple):
    """:param maps: parameter with the users of an address class

    :param code: parameter with the reply code
    :param table: what the reply calls it
    """

    maps: str
    code: str
    table: str


_CLASSES: Mapping[AddressClass, _Users] = {
    AddressClass.LOCAL: _Users("local_recipient_maps", "unknown_local_recipient_reject_code", "local recipient table"),
    AddressClass.VIRTUAL_MAILBOX: _Users(
        "virtual_mailbox_maps", "unknown_virtual_mailbox_reject_code", "virtual mailbox table"
    ),
    AddressClass.RELAY: _Users("relay_recipient_maps", "unknown_relay_recipient_reject_code", "relay recipient table"),
}
_NO_CHECKS = "no_unknown_recipient_checks"


def check_listed(state: State, address: str, reply_class: str, parameter: str) -> Status:
    """The check that smtpd_reject_unlisted_sender or _recipient asks for, noted in the trail.

    :raises Abandoned: a table could not be asked
    """
    try:
        outcome = reject_unlisted(state, address, reply_class)
    except Abandoned as jump:
        state.trail.append(Step(parameter, 0, parameter, "defer", str(jump)))
        raise
    result = outcome.result or "dunno"
    if outcome.status is Status.REJECT:
        result = "defer" if state.reply.startswith("4") else "reject"
    state.trail.append(Step(parameter, 0, parameter, result, outcome.why))
    return outcome.status


def reject_unlisted(state: State, address: str, reply_class: str) -> Outcome:
    """``reject_unlisted_recipient`` and ``reject_unlisted_sender``: once for each address."""
    sender = reply_class == replies.SENDER
    if _NO_CHECKS in state.server.words("receive_override_options"):
        return Outcome(Status.DUNNO, f"receive_override_options has {_NO_CHECKS}", "skip")
    if state.sender_checked if sender else state.recipient_checked:
        return Outcome(Status.DUNNO, f"{address} is checked already", "skip")
    if not state.warn:
        if sender:
            state.sender_checked = True
        else:
            state.recipient_checked = True
    answer = resolved(state, address, state.recipient if sender else state.sender)
    for parameter in _rewriting(sender=sender):
        if _find(state, parameter, answer, address):
            return Outcome(Status.DUNNO, f"{answer.recipient} is in {parameter}")
    if answer.transport == "error":
        code = 550
        if answer.address_class is AddressClass.VIRTUAL_ALIAS:
            code = state.server.number("unknown_virtual_alias_reject_code")
        return _transport(state, address, answer, reply_class, (code, "5.1.0" if sender else "5.1.1"))
    if answer.transport == "retry":
        return _transport(state, address, answer, reply_class, (450, "4.1.0" if sender else "4.1.1"))
    return _users(state, address, answer, reply_class)


def _rewriting(*, sender: bool) -> tuple[str, ...]:
    """Tables that may turn the address into another one: what they have is taken to exist."""
    own = ("sender_canonical_maps",) if sender else ()
    return ("recipient_canonical_maps", *own, "canonical_maps", "virtual_alias_maps")


def _transport(state: State, address: str, answer: Resolved, reply_class: str, defaults: tuple[int, str]) -> Outcome:
    """Addresses that lead to the ``error`` or ``retry`` transport carry their reply with them."""
    code, default = defaults
    dsn, text = replies.split_enhanced_code(default, answer.nexthop)
    line = f"<{address}>: {reply_class} rejected: {text}"
    why = f"{answer.recipient} leads to the transport {answer.transport}: {text}"
    return state.reject(code, replies.fit_enhanced_code(dsn, reply_class), line, why)


def _users(state: State, address: str, answer: Resolved, reply_class: str) -> Outcome:
    users = _CLASSES.get(answer.address_class)
    if users is None:
        return Outcome(Status.DUNNO, f"{answer.domain} is not ours: nobody here knows its users")
    if not state.server.text(users.maps):
        return Outcome(Status.DUNNO, f"{users.maps} is empty: every user of {answer.domain} is taken to exist")
    if answer.address_class is AddressClass.LOCAL and _always_exists(state, answer.recipient):
        return Outcome(Status.DUNNO, f"{answer.recipient} always exists")
    if _find(state, users.maps, answer, address):
        return Outcome(Status.DUNNO, f"{answer.recipient} is in {users.maps}")
    where = f" in {users.table}" if state.server.flag("show_user_unknown_table_name") else ""
    line = f"<{address}>: {reply_class} rejected: User unknown{where}"
    dsn = "5.1.0" if reply_class == replies.SENDER else "5.1.1"
    return state.reject(state.server.number(users.code), dsn, line, f"{answer.recipient} is not in {users.maps}")


def _always_exists(state: State, recipient: str) -> bool:
    local = recipient.partition("@")[0].lower()
    return local in ("postmaster", "mailer-daemon") or local == fold(state.server.text("double_bounce_sender"))


def _find(state: State, parameter: str, answer: Resolved, address: str) -> Hit | None:
    return find_mail(state, parameter, answer.recipient, address)


def find_mail(state: State, parameter: str, key: str, address: str) -> Hit | None:
    """An address in tables with all its forms: user+ext@domain, user@domain, user, @domain.

    :param address: as the client wrote it, for the reply when a table fails
    :raises Abandoned: a table failed
    """
    maps = state.server.maps(parameter)
    if not maps:
        return None
    for table in maps.tables:
        state.server.tables.tell(table.reference, state)
    try:
        return find_address(maps, key, state.server.settings, is_local=state.server.origin_or_local())
    except TableError as error:
        if error.retry:
            raise state.table_error(address, error.text) from error
        raise state.server_error(error.text) from error
