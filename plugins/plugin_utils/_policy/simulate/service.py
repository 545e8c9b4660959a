# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policy services: their answers are given, and applied like a result of an access table."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import Argument, Context, Rule
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.results import Hit, apply
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import Outcome, State

DEFAULT_ACTION = "451 4.3.5 Server configuration problem"
"""What the default action of a default action is."""

UNREACHABLE = frozenset({"unreachable", "down", "timeout"})
"""Given in place of an answer: the service does not answer."""


def _check_policy_service(state: State, word: str, context: Context) -> Outcome:
    name, default = state.server.services[word]
    answer = _answer(state, word, name)
    if answer is not None:
        return _apply(state, name, answer, context)
    state.policy_nesting += 1
    try:
        action = default if state.policy_nesting == 1 else DEFAULT_ACTION
        return _apply(state, name, action, context)
    finally:
        state.policy_nesting -= 1


def _apply(state: State, name: str, action: str, context: Context) -> Outcome:
    return apply(state, Hit(name, "", action, context.name, context.reply_class, context.table_check))


def _answer(state: State, word: str, name: str) -> str | None:
    """The service's action; None when it cannot be reached."""
    text = next((state.answers[key] for key in (name, word) if key in state.answers), "").strip()
    if text.lower() in UNREACHABLE:
        return None
    if not text and state.services_down:
        state.assume(f"What the policy service {name} answers is not known: taken as not running.")
        return None
    if not text:
        state.assume(f"What the policy service {name} answers is not known: taken as DUNNO.")
        return "DUNNO"
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("action=")]
    return lines[0].removeprefix("action=").strip() if lines else text


RULES: Mapping[str, Rule] = {"check_policy_service": Rule(Argument.SERVICE, _check_policy_service)}
