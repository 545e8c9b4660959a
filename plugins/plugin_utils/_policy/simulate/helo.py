# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restrictions on the HELO or EHLO name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.dns import DnsStatus
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import (
    is_address,
    is_hostname,
    mail_address,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate import replies
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import Argument, Context, Rule
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import Outcome, State, Status

NO_HELO = Outcome(Status.DUNNO, "the client sent no HELO", "skip")


def without_dot(name: str) -> str:
    """The name without the dot at its end; two dots stay."""
    return name[:-1] if len(name) > 1 and name.endswith(".") and not name.endswith("..") else name


def _rejected(state: State, name: str, code: str, dsn: str, what: str) -> Outcome:
    return state.reject(state.server.number(code), dsn, f"<{name}>: {replies.HELO} rejected: {what}")


def _literal(state: State, name: str) -> Outcome:
    """``[address]``; any text that begins with a bracket comes here."""
    inner = name[1:-1] if len(name) > 2 and name.endswith("]") else name
    if mail_address(inner) is None:
        return _rejected(state, name, "invalid_hostname_reject_code", "5.5.2", "invalid ip address")
    return Outcome(Status.DUNNO, f"{name} is an address literal")


def _of_helo(check: Callable[[State, str], Outcome]) -> Callable[[State, str, Context], Outcome]:
    def checked(state: State, _argument: str, _context: Context) -> Outcome:
        if state.helo is None:
            return NO_HELO
        return _literal(state, state.helo) if state.helo.startswith("[") else check(state, state.helo)

    return checked


def _invalid(state: State, name: str) -> Outcome:
    bare = without_dot(name)
    if is_hostname(bare) or is_address(bare):
        return Outcome(Status.DUNNO, f"{name} is a possible name")
    return _rejected(state, name, "invalid_hostname_reject_code", "5.5.2", "Invalid name")


def _non_fqdn(state: State, name: str) -> Outcome:
    bare = without_dot(name)
    if is_hostname(bare) and "." in bare:
        return Outcome(Status.DUNNO, f"{name} is fully qualified")
    return _rejected(state, name, "non_fqdn_reject_code", "5.5.2", "need fully-qualified hostname")


def _unknown(state: State, name: str) -> Outcome:
    found = state.dns.lookup_list(name, "A", "AAAA", "MX")
    if found.status in (DnsStatus.OK, DnsStatus.NULLMX):
        return Outcome(Status.DUNNO, f"{name} has an address or MX record")
    text = f"<{name}>: {replies.HELO} rejected: Host not found"
    if found.status is DnsStatus.RETRY:
        later = state.server.text("unknown_helo_hostname_tempfail_action") != "defer"
        return state.defer_if_permit(450, "4.7.1", text, f"the DNS did not answer for {name}", later=later)
    if found.status is DnsStatus.INVAL:
        text = f"<{name}>: {replies.HELO} rejected: Malformed DNS server reply"
    code = state.server.number("unknown_hostname_reject_code")
    return state.reject(code, "4.7.1", text, f"{name} has no address and no MX record")


def _permit_naked_ip(state: State, _argument: str, _context: Context) -> Outcome:
    """An address without brackets; Postfix 3.9 removed it."""
    if state.server.version >= (3, 9):
        raise state.server_error("Postfix 3.9 removed permit_naked_ip_address")
    name = state.helo
    if name is None:
        return NO_HELO
    if name.strip("0123456789.:"):
        return Outcome(Status.DUNNO, f"{name} is no address")
    outcome = _literal(state, name)
    return Outcome(Status.OK, f"{name} is an address") if outcome.status is Status.DUNNO else outcome


def _names(*names: str, check: Callable[[State, str], Outcome]) -> dict[str, Rule]:
    return {name: Rule(Argument.NONE, _of_helo(check)) for name in names}


RULES: Mapping[str, Rule] = {
    **_names("reject_invalid_helo_hostname", "reject_invalid_hostname", check=_invalid),
    **_names("reject_non_fqdn_helo_hostname", "reject_non_fqdn_hostname", check=_non_fqdn),
    **_names("reject_unknown_helo_hostname", "reject_unknown_hostname", check=_unknown),
    "permit_naked_ip_address": Rule(Argument.NONE, _permit_naked_ip),
}
