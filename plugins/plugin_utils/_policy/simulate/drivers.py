# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which lists run at which command, and what comes of them (smtpd_check_client() and its sisters)."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Decision
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate import replies
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import Context, evaluate
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.recipients import check_listed
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import Abandoned, State, Status

CLIENT_LIST = "smtpd_client_restrictions"
HELO_LIST = "smtpd_helo_restrictions"
SENDER_LIST = "smtpd_sender_restrictions"
RELAY_LIST = "smtpd_relay_restrictions"
RECIPIENT_LIST = "smtpd_recipient_restrictions"
ETRN_LIST = "smtpd_etrn_restrictions"
DATA_LIST = "smtpd_data_restrictions"
END_OF_DATA_LIST = "smtpd_end_of_data_restrictions"


def check_client(state: State) -> str | None:
    """:return: the rejection, None where there is none"""
    state.if_permit.active = False
    state.reset()
    status = _run(state, CLIENT_LIST, Context(state.namaddr, replies.CLIENT, "check_client_access"))
    state.deferred_client = state.if_permit.active
    return _reply(state, status)


def check_helo(state: State, name: str | None) -> str | None:
    """:param name: None when the client sent no HELO; then there is nothing to check"""
    if name is None:
        return None
    saved, state.helo = state.helo, name
    state.if_permit.active = state.deferred_client
    state.reset()
    status = _run(state, HELO_LIST, Context(name, replies.HELO, "check_helo_access"))
    state.deferred_helo = state.if_permit.active
    state.helo = saved
    return _reply(state, status)


def check_mail(state: State, sender: str | None) -> str | None:
    """:param sender: None outside a mail transaction"""
    if sender is None:
        return None
    saved, state.sender = state.sender, sender
    state.if_permit.active = state.deferred_client or state.deferred_helo
    state.sender_checked = False
    state.reset()
    status = _run(state, SENDER_LIST, Context(sender, replies.SENDER, "check_sender_access"))
    state.deferred_sender = state.if_permit.active
    if (
        status is not Status.REJECT
        and sender
        and not state.sender_checked
        and not state.discard
        and state.server.flag("smtpd_reject_unlisted_sender")
    ):
        status = _implied(state, "smtpd_reject_unlisted_sender", sender, replies.SENDER)
    state.sender = saved
    return _reply(state, status)


def check_rcpt(state: State, recipient: str) -> str | None:
    """Client, HELO and sender list where they were delayed, then relay and recipient list, then whether it exists."""
    if recipient.lower() == "postmaster":
        # RFC 5321, section 4.5.1: bare postmaster is always welcome.
        return None
    saved, state.recipient = state.recipient, recipient
    state.recipient_checked = False
    try:
        return _checked_recipient(state, recipient)
    finally:
        state.recipient = saved


def _checked_recipient(state: State, recipient: str) -> str | None:
    if state.server.delay_reject:
        delayed = check_client(state) or check_helo(state, state.helo) or check_mail(state, state.sender)
        if delayed:
            return delayed
    state.if_permit.active = state.deferred_sender
    state.reset()
    context = Context(recipient, replies.RECIPIENT, "check_recipient_access")
    status = Status.DUNNO
    for parameter in state.server.recipient_lists:
        status = _run(state, parameter, context)
        if status is Status.REJECT:
            break
    status = state.redeem(status)
    if (
        status is not Status.REJECT
        and not state.recipient_checked
        and not state.discard
        and state.server.flag("smtpd_reject_unlisted_recipient")
    ):
        status = _implied(state, "smtpd_reject_unlisted_recipient", recipient, replies.RECIPIENT)
    return _reply(state, status)


def check_etrn(state: State, domain: str) -> str | None:
    saved, state.etrn = state.etrn, domain
    try:
        if state.server.delay_reject:
            delayed = check_client(state) or check_helo(state, state.helo)
            if delayed:
                return delayed
        state.if_permit.active = state.deferred_client or state.deferred_helo
        state.reset()
        status = _run(state, ETRN_LIST, Context(domain, replies.ETRN, "check_etrn_access"))
        return _reply(state, state.redeem(status))
    finally:
        state.etrn = saved


def check_data(state: State) -> str | None:
    return _message(state, DATA_LIST, Context("DATA", replies.DATA, None))


def check_end_of_data(state: State) -> str | None:
    return _message(state, END_OF_DATA_LIST, Context("END-OF-MESSAGE", replies.END_OF_DATA, None))


def _message(state: State, parameter: str, context: Context) -> str | None:
    saved = state.recipient
    if state.recipients > 1:
        # A restriction for one recipient must not judge all of them.
        state.recipient = None
    state.if_permit.active = False
    state.reset()
    status = state.redeem(_run(state, parameter, context))
    state.recipient = saved
    return _reply(state, status)


def _run(state: State, parameter: str, context: Context) -> Status:
    restrictions = state.server.lists[parameter]
    state.current = None
    if not restrictions.words:
        return Status.DUNNO
    status = _guarded(lambda: evaluate(state, restrictions, context))
    if status is Status.OK:
        state.permits[parameter] = state.current
    return status


def _implied(state: State, parameter: str, address: str, reply_class: str) -> Status:
    """The check that a parameter asks for after a list that did not reject."""
    state.current = Decision(parameter, None, "")
    return _guarded(lambda: check_listed(state, address, reply_class, parameter))


def _guarded(run: Callable[[], Status]) -> Status:
    try:
        return run()
    except Abandoned:
        return Status.REJECT


def _reply(state: State, status: Status) -> str | None:
    return state.reply if status is Status.REJECT else None
