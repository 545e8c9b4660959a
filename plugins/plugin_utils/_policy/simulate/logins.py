# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restrictions on the SASL login, and on who may use which sender address."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import fold, tokens
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.destination import resolved
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import Argument, Context, Rule
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.recipients import find_mail
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import Outcome, State, Status

OWNERS = "smtpd_sender_login_maps"


def permit_authenticated(state: State) -> Outcome:
    if state.login is None:
        return Outcome(Status.DUNNO, "the client is not authenticated")
    if state.server.version < (3, 8) and not state.server.offers_sasl(encrypted=state.tls):
        return Outcome(Status.DUNNO, "ignored: this service does not offer SASL authentication here")
    return Outcome(Status.OK, f"the client is authenticated as {state.login}")


def _permit_sasl(state: State, _argument: str, _context: Context) -> Outcome:
    return permit_authenticated(state)


def _owners(state: State, sender: str) -> str | None:
    answer = resolved(state, sender, state.recipient)
    hit = find_mail(state, OWNERS, answer.recipient, sender)
    return hit.value if hit else None


def _authenticated(state: State, sender: str, *, allow_unknown: bool) -> Outcome:
    """The logged-in user must own the sender address."""
    login = state.login
    if login is None:
        return Outcome(Status.DUNNO, "the client is not authenticated")
    owners = _owners(state, sender)
    if owners is None and allow_unknown:
        return Outcome(Status.DUNNO, f"{OWNERS} has no owner of {sender}")
    if owners is not None and any(fold(owner) == fold(login) for owner in tokens(owners, parentheses="\0\0")):
        return Outcome(Status.DUNNO, f"{login} owns {sender}")
    text = f"<{sender}>: Sender address rejected: not owned by user {login}"
    return state.reject(553, "5.7.1", text, f"{OWNERS} gives {sender} to {owners or 'nobody'}, not to {login}")


def _unauthenticated(state: State, sender: str) -> Outcome:
    """An owned sender address needs a login."""
    if state.login is not None:
        return Outcome(Status.DUNNO, "the client is authenticated")
    owners = _owners(state, sender)
    if owners is None:
        return Outcome(Status.DUNNO, f"{OWNERS} has no owner of {sender}")
    text = f"<{sender}>: Sender address rejected: not logged in"
    return state.reject(553, "5.7.1", text, f"{sender} belongs to {owners}, and the client is not authenticated")


def _auth_mismatch(state: State, sender: str) -> Outcome:
    return _authenticated(state, sender, allow_unknown=False)


def _known_mismatch(state: State, sender: str) -> Outcome:
    if state.login is not None:
        return _authenticated(state, sender, allow_unknown=True)
    return _unauthenticated(state, sender)


def _of_sender(check: Callable[[State, str], Outcome]) -> Callable[[State, str, Context], Outcome]:
    def checked(state: State, _argument: str, _context: Context) -> Outcome:
        if not state.server.flag("smtpd_sasl_auth_enable"):
            return Outcome(Status.DUNNO, "ignored: smtpd_sasl_auth_enable is no", "skip")
        if not state.sender:
            return Outcome(Status.DUNNO, "there is no sender address", "skip")
        return check(state, state.sender)

    return checked


RULES: Mapping[str, Rule] = {
    "permit_sasl_authenticated": Rule(Argument.NONE, _permit_sasl),
    "reject_authenticated_sender_login_mismatch": Rule(Argument.NONE, _of_sender(_auth_mismatch)),
    "reject_known_sender_login_mismatch": Rule(Argument.NONE, _of_sender(_known_mismatch)),
    "reject_unauthenticated_sender_login_mismatch": Rule(Argument.NONE, _of_sender(_unauthenticated)),
}
