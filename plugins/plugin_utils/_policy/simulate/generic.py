# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restrictions that judge nothing in particular: permit, reject, defer and their kin."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import Argument, Context, Rule
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import Outcome, State, Status


def _permit(_state: State, _argument: str, _context: Context) -> Outcome:
    return Outcome(Status.OK, "permits everything")


def _reject(state: State, _argument: str, context: Context) -> Outcome:
    text = f"<{context.name}>: {context.reply_class} rejected: Access denied"
    return state.reject(state.server.number("reject_code"), "5.7.1", text, "rejects everything")


def _defer(state: State, _argument: str, context: Context) -> Outcome:
    text = f"<{context.name}>: {context.reply_class} rejected: Try again later"
    return state.reject(state.server.number("defer_code"), "4.3.2", text, "defers everything")


def _defer_if_permit(state: State, _argument: str, context: Context) -> Outcome:
    text = f"<{context.name}>: {context.reply_class} rejected: defer_if_permit requested"
    return state.defer_if_permit(450, "4.7.0", text, "asked for")


def _defer_if_reject(state: State, _argument: str, context: Context) -> Outcome:
    text = f"<{context.name}>: {context.reply_class} rejected: defer_if_reject requested"
    return state.defer_if_reject(450, "4.7.0", text, "asked for")


def _sleep(_state: State, argument: str, _context: Context) -> Outcome:
    return Outcome(Status.DUNNO, f"the client waits {argument} s")


def _pipelining(_state: State, _argument: str, _context: Context) -> Outcome:
    return Outcome(Status.DUNNO, "the client waits for each reply")


def _multi_recipient_bounce(state: State, _argument: str, context: Context) -> Outcome:
    if state.sender is None:
        return Outcome(Status.DUNNO, "there is no sender", "skip")
    if state.sender:
        return Outcome(Status.DUNNO, "the message is no bounce")
    # At RCPT the recipient at hand is not counted yet.
    if state.recipients <= (0 if state.where == "RCPT" else 1):
        return Outcome(Status.DUNNO, "the bounce has one recipient")
    text = f"<{context.name}>: {context.reply_class} rejected: Multi-recipient bounce"
    code = state.server.number("multi_recipient_bounce_reject_code")
    return state.reject(code, "5.5.3", text, "a bounce has one recipient only")


RULES: Mapping[str, Rule] = {
    "permit": Rule(Argument.NONE, _permit),
    "reject": Rule(Argument.NONE, _reject),
    "defer": Rule(Argument.NONE, _defer),
    "defer_if_permit": Rule(Argument.NONE, _defer_if_permit),
    "defer_if_reject": Rule(Argument.NONE, _defer_if_reject),
    "sleep": Rule(Argument.SECONDS, _sleep),
    "reject_unauth_pipelining": Rule(Argument.NONE, _pipelining),
    "reject_multi_recipient_bounce": Rule(Argument.NONE, _multi_recipient_bounce),
}
