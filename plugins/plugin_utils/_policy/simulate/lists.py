# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Evaluation of one restriction list, word by word (generic_checks() of src/smtpd/smtpd_check.c)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Decision, Step
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.words import elements_of, split
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import (
    Abandoned,
    Outcome,
    SessionOver,
    State,
    Status,
)

DEEPEST = 150
"""Nesting of classes at which a class must be naming itself; results of tables end at 100 with an error."""

_WARN_IF_REJECT = "warn_if_reject"


class Argument(enum.Enum):
    """What a restriction does with the word after it."""

    NONE = enum.auto()
    TABLE = enum.auto()
    DOMAIN = enum.auto()
    SERVICE = enum.auto()
    SECONDS = enum.auto()


class Context(NamedTuple):
    """What a list says in its replies, and what it takes a bare table for.

    :param name: what is judged, as replies quote it
    :param reply_class: noun before "rejected:"
    :param table_check: ``check_client_access`` and so on; None where bare tables are not allowed
    """

    name: str
    reply_class: str
    table_check: str | None


Check = Callable[[State, str, Context], Outcome]


class Rule(NamedTuple):
    argument: Argument
    check: Check


@dataclass(frozen=True, slots=True)
class RestrictionList:
    """A list, ready for evaluation.

    :param parameter: main.cf parameter, class, or what the list comes from
    :param words: as written, braces included
    :param places: index of the element that each word belongs to
    :param elements: as written
    """

    parameter: str
    words: tuple[str, ...]
    places: tuple[int, ...]
    elements: tuple[str, ...]


@lru_cache(maxsize=4096)
def parsed(parameter: str, text: str, classes: frozenset[str] = frozenset()) -> RestrictionList:
    """A list's expanded value, parsed once."""
    elements = elements_of(split(text), classes)
    places = tuple(element.index for element in elements for _word in element.words)
    words = tuple(str(word) for element in elements for word in element.words)
    return RestrictionList(parameter, words, places, tuple(str(element) for element in elements))


def evaluate(state: State, restrictions: RestrictionList, context: Context) -> Status:
    """:raises Abandoned: a fault ended the evaluation of the whole command
    :raises SessionOver: the connection ended
    """
    outer = state.recursion
    state.recursion += 1
    if state.recursion > DEEPEST:
        raise SessionOver("a restriction class that names itself overruns the stack (SIGSEGV)")
    status = _words(state, restrictions, context)
    state.recursion = outer
    if state.warn >= state.recursion:
        state.warn = 0
    return status


def _words(state: State, restrictions: RestrictionList, context: Context) -> Status:
    words = restrictions.words
    rules = state.server.rules
    at = 0
    while at < len(words):
        if state.discard:
            break
        word = words[at]
        name = word.lower()
        if name == _WARN_IF_REJECT:
            if state.warn == 0:
                state.warn = state.recursion
            at += 1
            continue
        place = restrictions.places[at]
        rule = None if ":" in word else rules.get(name)
        argument: str | None = None
        if ":" in word:
            argument = word
        elif rule is not None and rule.argument is not Argument.NONE and at + 1 < len(words):
            at += 1
            argument = words[at]
        at += 1
        status = _step(state, restrictions, place, (word, argument), context)
        if state.warn >= state.recursion:
            state.warn = 0
        if status is not Status.DUNNO:
            return status
        if state.if_permit.active and state.if_reject.active:
            break
    return Status.DUNNO


def _step(
    state: State, restrictions: RestrictionList, place: int, call: tuple[str, str | None], context: Context
) -> Status:
    """Evaluates one element and notes it in the trail."""
    element = restrictions.elements[place]
    depth = state.recursion - 1
    if depth == 0:
        state.current = Decision(restrictions.parameter, place, element)
    slot = len(state.trail)
    state.trail.append(Step(restrictions.parameter, place, element, "dunno", "", depth))
    before = state.discard

    def note(result: str, why: str) -> None:
        state.trail[slot] = Step(restrictions.parameter, place, element, result, why, depth)

    try:
        outcome = _check(state, *call, context)
        if outcome.status < 0:
            raise _table_fault(state, outcome, context)
    except Abandoned as jump:
        note("defer" if state.reply.startswith("4") else "reject", str(jump))
        raise
    except SessionOver as end:
        note("crash" if end.crash else "reject", end.reason)
        raise
    note(outcome.result or _result(state, outcome, discarded=state.discard and not before), outcome.why)
    return outcome.status


def _result(state: State, outcome: Outcome, *, discarded: bool) -> str:
    if outcome.status is Status.REJECT:
        return "defer" if state.reply.startswith("4") else "reject"
    if outcome.status is Status.OK:
        return "discard" if discarded else "permit"
    return "dunno"


def _table_fault(state: State, outcome: Outcome, context: Context) -> Abandoned:
    if outcome.status is Status.RETRY:
        return state.table_error(context.name, outcome.why)
    return state.server_error(outcome.why)


def _check(state: State, word: str, argument: str | None, context: Context) -> Outcome:
    """Finds out what a word means, in Postfix's order: table, built-in restriction, class."""
    name = word
    if ":" in word:
        if context.table_check is None:
            raise state.server_error(f"{word} needs a check_*_access before it in this list")
        name = context.table_check
    rule = state.server.rules.get(name.lower())
    if rule is not None:
        return rule.check(state, _argument(state, name, rule.argument, argument), context)
    listed = state.server.classes.get(word)
    if listed is not None:
        status = evaluate(state, listed, context)
        return Outcome(status, _of_class(word, status))
    raise state.server_error(f'"{word}" is no restriction that Postfix knows')


def _argument(state: State, name: str, kind: Argument, argument: str | None) -> str:
    """:raises Abandoned: the argument is missing or no good
    :return: empty where a domain is missing, which Postfix only warns of
    """
    if kind is Argument.TABLE and (argument is None or ":" not in argument):
        raise state.server_error(f"{name} needs a table (type:name) after it, not {_shown(argument)}")
    if kind is Argument.SERVICE and (argument is None or ":" not in argument):
        raise state.server_error(f"{name} needs transport:server after it, not {_shown(argument)}")
    if kind is Argument.SECONDS and (argument is None or not (argument.isascii() and argument.isdigit())):
        raise state.server_error(f"{name} needs a number of seconds after it, not {_shown(argument)}")
    return argument or ""


def _shown(argument: str | None) -> str:
    return "the end of the list" if argument is None else f'"{argument}"'


def _of_class(name: str, status: Status) -> str:
    ends: Mapping[Status, str] = {Status.OK: "permits", Status.REJECT: "rejects"}
    return f"class {name} {ends.get(status, 'decides nothing')}"
