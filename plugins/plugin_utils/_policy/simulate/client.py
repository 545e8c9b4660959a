# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restrictions on the client: its address, its names, its encryption."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import Argument, Context, Rule
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import Outcome, State, Status


def permit_mynetworks(state: State) -> Outcome:
    return in_networks(state, "mynetworks")


def in_networks(state: State, parameter: str) -> Outcome:
    """OK where the client's name or address is in a list."""
    client = state.namaddr if state.name.known else state.addr
    found = state.server.match(state, parameter, "host", state.name.text, state.addr)
    if found.failed:
        status = Status.RETRY if found.retry else Status.BROKEN
        return Outcome(status, f"{found.why} (at {found.pattern}, looking for {client})")
    if found:
        return Outcome(Status.OK, f"{client} is in {parameter} ({found.pattern})")
    return Outcome(Status.DUNNO, f"{client} is not in {parameter}")


def permit_inet_interfaces(state: State) -> Outcome:
    if state.addr in state.server.own_addresses(state):
        return Outcome(Status.OK, f"{state.addr} is an address of this machine")
    return Outcome(Status.DUNNO, f"{state.addr} is no address of this machine")


def _mynetworks(state: State, _argument: str, _context: Context) -> Outcome:
    return permit_mynetworks(state)


def _interfaces(state: State, _argument: str, _context: Context) -> Outcome:
    return permit_inet_interfaces(state)


def _reject_unknown_client(state: State, _argument: str, _context: Context) -> Outcome:
    if state.name.known:
        return Outcome(Status.DUNNO, f"the client's verified name is {state.name.text}")
    code = 450 if state.name.temporary else state.server.number("unknown_client_reject_code")
    text = f"Client host rejected: cannot find your hostname, [{state.addr}]"
    return state.reject(code, "4.7.25", text, f"{state.addr} has no verified name")


def _reject_unknown_reverse(state: State, _argument: str, _context: Context) -> Outcome:
    if state.reverse.known:
        return Outcome(Status.DUNNO, f"the reverse name of {state.addr} is {state.reverse.text}")
    code = 450 if state.reverse.temporary else state.server.number("unknown_client_reject_code")
    text = f"Client host rejected: cannot find your reverse hostname, [{state.addr}]"
    return state.reject(code, "4.7.1", text, f"{state.addr} has no reverse name")


def _reject_plaintext(state: State, _argument: str, _context: Context) -> Outcome:
    if state.tls:
        return Outcome(Status.DUNNO, "the session is encrypted")
    code = state.server.number("plaintext_reject_code")
    return state.reject(code, "4.7.1", "Session encryption is required", "the session is not encrypted")


def permit_certificate(state: State) -> Outcome:
    """A session never has a client certificate here."""
    return Outcome(Status.DUNNO, "the client showed no certificate" if state.tls else "the session is not encrypted")


def _certificate(state: State, _argument: str, _context: Context) -> Outcome:
    return permit_certificate(state)


RULES: Mapping[str, Rule] = {
    "permit_mynetworks": Rule(Argument.NONE, _mynetworks),
    "permit_inet_interfaces": Rule(Argument.NONE, _interfaces),
    "reject_unknown_client_hostname": Rule(Argument.NONE, _reject_unknown_client),
    "reject_unknown_client": Rule(Argument.NONE, _reject_unknown_client),
    "reject_unknown_reverse_client_hostname": Rule(Argument.NONE, _reject_unknown_reverse),
    "reject_plaintext_session": Rule(Argument.NONE, _reject_plaintext),
    "permit_tls_clientcerts": Rule(Argument.NONE, _certificate),
    "permit_tls_all_clientcerts": Rule(Argument.NONE, _certificate),
}
