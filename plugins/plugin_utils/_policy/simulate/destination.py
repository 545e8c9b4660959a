# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a recipient leads, and whether mail for it may be relayed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.dns import DnsRecord, DnsStatus
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import ascii_name
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.resolve import (
    AddressClass,
    Resolved,
    is_local_domain,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import TableError
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate import replies
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import Argument, Context, Rule
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import (
    Outcome,
    SessionOver,
    State,
    Status,
)

NO_RECIPIENT = Outcome(Status.DUNNO, "there is no recipient, or more than one", "skip")

_CLASSES: Mapping[AddressClass, str] = {
    AddressClass.LOCAL: "mydestination",
    AddressClass.VIRTUAL_ALIAS: "virtual_alias_domains",
    AddressClass.VIRTUAL_MAILBOX: "virtual_mailbox_domains",
    AddressClass.RELAY: "relay_domains",
}


def resolved(state: State, address: str, sender: str | None) -> Resolved:
    """Where an address leads.

    :raises Abandoned: a list of domains or a table could not be asked
    """
    answer = state.server.resolve(state, address, sender)
    if answer.failed:
        raise state.table_error(address, answer.why)
    return answer


def is_authorized(state: State, recipient: str) -> bool:
    return _authorization(state, recipient).status is Status.OK


def _authorization(state: State, recipient: str) -> Outcome:
    """permit_auth_destination()."""
    answer = resolved(state, recipient, state.sender)
    if "@" not in answer.recipient:
        return Outcome(Status.OK, f"{recipient} has no domain")
    if answer.routed and not state.server.flag("allow_untrusted_routing"):
        return Outcome(Status.DUNNO, f"{recipient} holds a route to somewhere else")
    if answer.authorized:
        pattern = f" ({answer.pattern})" if answer.pattern else ""
        return Outcome(Status.OK, f"{answer.domain} is in {_CLASSES[answer.address_class]}{pattern}")
    return Outcome(Status.DUNNO, f"{answer.domain} is no domain of this server")


def _permit_auth(state: State, _argument: str, _context: Context) -> Outcome:
    return NO_RECIPIENT if state.recipient is None else _authorization(state, state.recipient)


def _unauthorized(state: State, code: int, dsn: str) -> Outcome:
    if state.recipient is None:
        return NO_RECIPIENT
    answer = _authorization(state, state.recipient)
    if answer.status is Status.OK:
        return Outcome(Status.DUNNO, answer.why)
    return state.reject(code, dsn, f"<{state.recipient}>: Relay access denied", answer.why)


def _reject_unauth(state: State, _argument: str, _context: Context) -> Outcome:
    return _unauthorized(state, state.server.number("relay_domains_reject_code"), "5.7.1")


def _defer_unauth(state: State, _argument: str, _context: Context) -> Outcome:
    return _unauthorized(state, state.server.number("relay_domains_reject_code") - 100, "4.7.1")


def _check_relay_domains(state: State, _argument: str, _context: Context) -> Outcome:
    """Client or recipient in relay_domains; Postfix 3.9 removed it."""
    if state.recipient is None:
        return NO_RECIPIENT
    if state.server.version >= (3, 9):
        raise state.server_error("Postfix 3.9 removed check_relay_domains; reject_unauth_destination takes its place")
    found = state.server.match(state, "relay_domains", "domain", state.name.text)
    if found.failed:  # smtpd_check_init() does not ask for errors of this list, so that they are fatal
        raise SessionOver(f"fatal: relay_domains: {found.why}")
    if found:
        return Outcome(Status.OK, f"the client {state.name.text} is in relay_domains")
    answer = _authorization(state, state.recipient)
    if answer.status is Status.OK:
        return answer
    text = f"<{state.recipient}>: {replies.RECIPIENT} rejected: Relay access denied"
    return state.reject(state.server.number("relay_domains_reject_code"), "5.7.1", text, answer.why)


def _permit_mx_backup(state: State, _argument: str, _context: Context) -> Outcome:
    recipient = state.recipient
    if recipient is None:
        return NO_RECIPIENT
    answer = _authorization(state, recipient)
    routed = resolved(state, recipient, state.sender).routed and not state.server.flag("allow_untrusted_routing")
    if answer.status is Status.OK or routed:
        return answer
    domain = resolved(state, recipient, state.sender).domain
    if domain.startswith("[") and domain.endswith("]"):
        return answer
    return _backup(state, recipient, domain if domain.isascii() else ascii_name(domain) or domain)


def _backup(state: State, recipient: str, domain: str) -> Outcome:
    """Whether this server is a secondary MX of the domain."""
    found = state.dns.lookup(domain, "MX")
    if found.status is DnsStatus.RETRY:
        text = f"<{recipient}>: {replies.RECIPIENT} rejected: Unable to look up mail exchanger information: {TRY_AGAIN}"
        return state.defer_if_reject(450, "4.4.4", text, f"the DNS did not answer for {domain}")
    if found.status is not DnsStatus.OK:
        return Outcome(Status.DUNNO, f"{domain} has no MX record")
    best = min(record.preference for record in found.records)
    first = [record for record in found.records if record.preference == best]
    rest = [record for record in found.records if record.preference != best]
    if _is_mx(state, recipient, first):
        return Outcome(Status.DUNNO, f"this server is the first MX of {domain}")
    if not rest or not _is_mx(state, recipient, rest):
        return Outcome(Status.DUNNO, f"this server is no MX of {domain}")
    if state.server.text("permit_mx_backup_networks") and not _in_backup_networks(state, recipient, first):
        return Outcome(Status.DUNNO, f"the first MX of {domain} is not in permit_mx_backup_networks")
    return Outcome(Status.OK, f"this server is a secondary MX of {domain}")


TRY_AGAIN = "Host not found, try again"


def _is_mx(state: State, recipient: str, records: Iterable[DnsRecord]) -> bool:
    hosts = [record.value for record in records]
    for host in hosts:
        try:
            if is_local_domain(state.server.settings, state.server.tables, host)[0]:
                return True
        except TableError:
            continue
    return any(_has_own_address(state, recipient, host) for host in hosts)


def _has_own_address(state: State, recipient: str, host: str) -> bool:
    found = state.dns.addresses(host)
    if not found:
        retry = any(state.dns.lookup(host, kind).status is DnsStatus.RETRY for kind in ("A", "AAAA"))
        reason = "Temporary failure in name resolution" if retry else _no_address(state, host)
        text = f"<{recipient}>: {replies.RECIPIENT} rejected: Unable to look up mail exchanger host {host}: {reason}"
        state.defer_if_reject(450, "4.4.4", text)
        return False
    own = (*state.server.own_addresses(state), *state.server.proxy_addresses())
    return any(address in own for address in found)


def _no_address(state: State, host: str) -> str:
    exists = any(state.dns.lookup(host, kind).exists for kind in ("A", "AAAA"))
    return "No address associated with hostname" if exists else "Name or service not known"


def _in_backup_networks(state: State, recipient: str, records: Sequence[DnsRecord]) -> bool:
    for record in records:
        found = state.dns.lookup_list(record.value, *state.server.address_types, stop=frozenset())
        if found.status is not DnsStatus.OK:
            reason = TRY_AGAIN if found.status is DnsStatus.RETRY else "Host not found"
            text = (
                f"<{recipient}>: {replies.RECIPIENT} rejected: Unable to look up host {record.value} as mail "
                f"exchanger: {reason}"
            )
            state.defer_if_reject(450, "4.4.4", text)
            return False
        for address in found.values:
            match = state.server.match(state, "permit_mx_backup_networks", "host", record.value, address)
            if match.failed:
                text = (
                    f"<{recipient}>: {replies.RECIPIENT} rejected: Unable to verify host {record.value} as mail "
                    "exchanger"
                )
                state.defer_if_reject(450, "4.4.4", text)
            if not match:
                return False
    return True


RULES: Mapping[str, Rule] = {
    "permit_auth_destination": Rule(Argument.NONE, _permit_auth),
    "reject_unauth_destination": Rule(Argument.NONE, _reject_unauth),
    "defer_unauth_destination": Rule(Argument.NONE, _defer_unauth),
    "check_relay_domains": Rule(Argument.NONE, _check_relay_domains),
    "permit_mx_backup": Rule(Argument.NONE, _permit_mx_backup),
}
