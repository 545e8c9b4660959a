# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What smtpd would answer to a session: the simulator's door."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.dns import Dns
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import DnsData, PolicyError, Session, Verdict
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.commands import stages
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.endpoints import StartFailure
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.start import Server
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import State

_MOST_SERVERS = 16
_UNPLAYED = ("smtpd_command_filter", "smtpd_dns_reply_filter", "smtpd_milter_maps", "smtpd_upstream_proxy_protocol")
_servers: OrderedDict[tuple[int, str, str], tuple[Policy, Server | StartFailure]] = OrderedDict()
"""Servers started last. The policy is kept with its server, so that its id stays its own."""


def simulate(
    policy: Policy,
    session: Session,
    dns: DnsData | None = None,
    absent_tables: str = "missing",
    answers: Mapping[str, str] | None = None,
    absent_services: str = "",
) -> Verdict:
    """What smtpd of that release answers to each command of a session.

    :param dns: what the DNS holds; every other name does not exist
    :param absent_tables: what files are that the policy's tables lack: ``missing``, as the real smtpd would find them,
        or ``empty``, which is then an assumption
    :param answers: of policy services, by endpoint, and of address verification, by ``verify:user@domain``; those in
        the policy's tables count as well
    :param absent_services: what a policy service is whose answer is not given: ``down`` or ``dunno``; empty: ``down``
        where files that were not given are missing, else ``dunno``
    :raises PolicyError: the policy has no such service
    """
    server = _server(policy, session.service, absent_tables)
    if isinstance(server, StartFailure):
        return Verdict(fatal=not server.crash, crash=server.crash, reason=server.reason)
    state = State(server, Dns(dns or {}), session, _answers(policy, answers))
    state.services_down = absent_services == "down" or (not absent_services and absent_tables == "missing")
    _note_unplayed(state)
    try:
        told = tuple(stages(state))
    except PolicyError as error:
        # A value that smtpd reads only now; it would have died of it.
        return Verdict(fatal=True, reason=str(error), assumptions=tuple(state.assumptions))
    crash = state.over is not None and state.over.crash
    reason = state.over.reason if state.over is not None else ""
    return Verdict(crash=crash, reason=reason if crash else "", stages=told, assumptions=tuple(state.assumptions))


def _server(policy: Policy, service: str, absent: str) -> Server | StartFailure:
    key = (id(policy), service, absent)
    known = _servers.get(key)
    if known is None:
        started: Server | StartFailure
        try:
            started = Server(policy, service, absent)
        except StartFailure as failure:
            started = failure
        known = _servers[key] = (policy, started)
        if len(_servers) > _MOST_SERVERS:
            _servers.popitem(last=False)
    else:
        _servers.move_to_end(key)
    return known[1]


def _note_unplayed(state: State) -> None:
    """What may change replies and is not played here."""
    server = state.server
    if server.text("smtpd_milters") and "no_milters" not in server.words("receive_override_options"):
        state.assume(f"The milters {server.text('smtpd_milters')} (smtpd_milters) are taken to accept everything.")
    for parameter in _UNPLAYED:
        if server.text(parameter):
            state.assume(f"{parameter} is not played: commands and answers are taken as if it were empty.")


def _answers(policy: Policy, answers: Mapping[str, str] | None) -> dict[str, str]:
    given = {name: content for name, content in policy.tables.items() if isinstance(content, str)}
    return {**given, **(answers or {})}
