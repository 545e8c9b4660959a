# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of access tables and policy services (check_table_result() of src/smtpd/smtpd_check.c, access(5))."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate import replies
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import Context, evaluate, parsed
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import (
    Outcome,
    SessionOver,
    State,
    Status,
)

DEEPEST_RESULT = 100
"""Nesting of lists beyond which a result that names restrictions is an error."""

BROKEN_TABLE = "451 4.3.5 Server configuration error"
"""The result that a table gives which cannot be opened or asked."""

_HEADER = re.compile(r"[!-9;-~]+[ \t]*:")
_BLANK = " \t"
_SPACE = " \t\r\n\v\f"


class Hit(NamedTuple):
    """A table's answer.

    :param source: table or service, as written
    :param key: what was found; empty for a policy service
    """

    source: str
    key: str
    value: str
    name: str
    reply_class: str
    table_check: str | None

    @property
    def why(self) -> str:
        return f"{self.source} has {self.key}: {self.value}" if self.key else f"{self.source} answers {self.value}"


def apply(state: State, hit: Hit) -> Outcome:
    """What a table's answer does."""
    word, text = _split(hit.value)
    action = _ACTIONS.get(word.lower())
    if action is not None:
        return action(state, hit, word.lower(), text)
    if hit.value.isascii() and hit.value.isdigit():
        return Outcome(Status.OK, f"{hit.why}, and a number alone permits")
    if len(word) == 3 and text and word[0] in "45" and word.isascii() and word.isdigit():
        return _reject_with(state, hit, int(word), f"{word[0]}.7.1", text)
    if ":" in hit.value:
        raise state.server_error(f"{hit.why}, and a result must not name a table")
    if state.recursion > DEEPEST_RESULT:
        raise state.server_error(f"{hit.why}, which leads back to the same table")
    return _restrictions(state, hit)


def _split(value: str) -> tuple[str, str]:
    """First word, and what follows the white space behind it."""
    end = next((at for at, char in enumerate(value) if char in _BLANK), len(value))
    return value[:end], value[end:].lstrip(_SPACE)


def _restrictions(state: State, hit: Hit) -> Outcome:
    listed = parsed(f"{hit.source}: {hit.key}" if hit.key else hit.source, hit.value, state.server.class_names)
    if not listed.words:
        return Outcome(Status.OK, f"{hit.source} has an empty result, which permits")
    status = evaluate(state, listed, Context(hit.name, hit.reply_class, hit.table_check))
    return Outcome(status, hit.why)


def _reject_with(state: State, hit: Hit, code: int, default: str, text: str) -> Outcome:
    dsn, text = replies.split_enhanced_code(default, text)
    line = f"<{hit.name}>: {hit.reply_class} rejected: {text or 'Access denied'}"
    return state.reject(code, replies.fit_enhanced_code(dsn, hit.reply_class), line, hit.why)


def _dunno(_state: State, hit: Hit, _word: str, _text: str) -> Outcome:
    return Outcome(Status.DUNNO, hit.why)


def _ok(_state: State, hit: Hit, _word: str, _text: str) -> Outcome:
    return Outcome(Status.OK, hit.why)


def _reject(state: State, hit: Hit, _word: str, text: str) -> Outcome:
    return _reject_with(state, hit, state.server.number("access_map_reject_code"), "5.7.1", text)


def _defer(state: State, hit: Hit, _word: str, text: str) -> Outcome:
    return _reject_with(state, hit, state.server.number("access_map_defer_code"), "4.7.1", text)


def _kept(state: State, hit: Hit, text: str) -> tuple[int, str, str]:
    dsn, text = replies.split_enhanced_code("4.7.1", text)
    line = f"<{hit.name}>: {hit.reply_class} rejected: {text or 'Service unavailable'}"
    return state.server.number("access_map_defer_code"), replies.fit_enhanced_code(dsn, hit.reply_class), line


def _defer_if_permit(state: State, hit: Hit, _word: str, text: str) -> Outcome:
    return state.defer_if_permit(*_kept(state, hit, text), hit.why)


def _defer_if_reject(state: State, hit: Hit, _word: str, text: str) -> Outcome:
    return state.defer_if_reject(*_kept(state, hit, text), hit.why)


def _hangup(_state: State, hit: Hit, _word: str, _text: str) -> Outcome:
    raise SessionOver(f"{hit.why}: the connection is closed without a reply", crash=False)


def _delegated(state: State, hit: Hit, word: str, text: str) -> Outcome:
    """FILTER, HOLD, REDIRECT, BCC and DISCARD: done by cleanup(8) once the message is there."""
    unfit = _cannot_delegate(state) or _bad_value(word, text)
    if unfit:
        return Outcome(Status.DUNNO, f"{hit.why}, ignored: {unfit}")
    if word == "discard":
        state.discard = True
        return Outcome(Status.OK, f"{hit.why}; nothing is checked any more")
    return Outcome(Status.DUNNO, hit.why)


def _prepend(state: State, hit: Hit, _word: str, text: str) -> Outcome:
    unfit = _before_transaction(state)
    if not unfit and state.where == "END-OF-MESSAGE":
        unfit = "it must come before smtpd_end_of_data_restrictions"
    if not unfit and not _HEADER.match(text):
        unfit = "it needs a header: text"
    return Outcome(Status.DUNNO, f"{hit.why}, ignored: {unfit}" if unfit else hit.why)


def _cannot_delegate(state: State) -> str:
    if state.server.text("smtpd_proxy_filter"):
        return "smtpd_proxy_filter is set"
    if state.where == "ETRN":
        return "ETRN has no message"
    return _before_transaction(state)


def _before_transaction(state: State) -> str:
    return "" if state.sender is not None else "there is no sender yet, as smtpd_delay_reject is no"


def _bad_value(word: str, text: str) -> str:
    if word == "filter" and ":" not in text:
        return "it needs transport:destination"
    if word in ("redirect", "bcc") and "@" not in text:
        return "it needs user@domain"
    return ""


_Action = Callable[[State, Hit, str, str], Outcome]
_ACTIONS: Mapping[str, _Action] = {
    "dunno": _dunno,
    "reject": _reject,
    "defer": _defer,
    "hangup": _hangup,
    "info": _dunno,
    "warn": _dunno,
    "filter": _delegated,
    "hold": _delegated,
    "discard": _delegated,
    "redirect": _delegated,
    "bcc": _delegated,
    "defer_if_permit": _defer_if_permit,
    "defer_if_reject": _defer_if_reject,
    "prepend": _prepend,
    "ok": _ok,
    "relay": _ok,
}
