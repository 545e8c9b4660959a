# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restrictions on sender and recipient addresses: their form, their domain in the DNS, whether they exist."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.dns import DnsStatus
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import ascii_name, is_hostname
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate import replies
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.destination import resolved
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.helo import without_dot
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import Argument, Context, Rule
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.recipients import reject_unlisted
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import Outcome, State, Status
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.verification import probe

_STOP = frozenset({DnsStatus.OK, DnsStatus.INVAL, DnsStatus.NULLMX})


class Side(NamedTuple):
    """Sender or recipient.

    :param prefix: of the parameters for address verification
    """

    reply_class: str
    null_mx: tuple[int, str]
    unknown: str
    unverified: str
    prefix: str

    def address(self, state: State) -> str | None:
        return state.sender if self.prefix == "unverified_sender" else state.recipient

    def other(self, state: State) -> str | None:
        return state.recipient if self.prefix == "unverified_sender" else state.sender


SENDER = Side(replies.SENDER, (550, "4.7.27"), "4.1.8", "4.1.7", "unverified_sender")
RECIPIENT = Side(replies.RECIPIENT, (556, "4.1.10"), "4.1.2", "4.1.1", "unverified_recipient")


def _of(side: Side, check: Callable[[State, Side, str], Outcome]) -> Callable[[State, str, Context], Outcome]:
    """A restriction that has nothing to do without an address, or for the null sender."""

    def checked(state: State, _argument: str, _context: Context) -> Outcome:
        address = side.address(state)
        if address is None:
            what = "recipient, or more than one" if side is RECIPIENT else "sender"
            return Outcome(Status.DUNNO, f"the session has no {what}", "skip")
        if not address:
            return Outcome(Status.DUNNO, "the null sender is exempt", "skip")
        return check(state, side, address)

    return checked


def _non_fqdn(state: State, side: Side, address: str) -> Outcome:
    domain = address[address.rfind("@") + 1 :] if "@" in address else ""
    if domain.startswith("[") and domain.endswith("]"):
        return Outcome(Status.DUNNO, f"{address} has an address literal for its domain")
    bare = without_dot(domain)
    if bare and is_hostname(bare) and "." in bare:
        return Outcome(Status.DUNNO, f"the domain of {address} is fully qualified")
    text = f"<{address}>: {side.reply_class} rejected: need fully-qualified address"
    return state.reject(state.server.number("non_fqdn_reject_code"), "4.5.2", text)


def _unknown_domain(state: State, side: Side, address: str) -> Outcome:
    answer = resolved(state, address, side.other(state))
    if "@" not in answer.recipient:
        return Outcome(Status.DUNNO, f"{answer.recipient} has no domain")
    if answer.final:
        return Outcome(Status.DUNNO, f"{answer.domain} is delivered here")
    domain = answer.domain
    if domain.startswith("[") and domain.endswith("]"):
        return Outcome(Status.DUNNO, f"{domain} is an address literal")
    return _mail_host(state, side, address, domain if domain.isascii() else ascii_name(domain) or domain)


def _mail_host(state: State, side: Side, address: str, domain: str) -> Outcome:
    found = state.dns.lookup_list(domain, "MX", "A", "AAAA", stop=_STOP)
    line = f"<{address}>: {side.reply_class} rejected:"
    if found.status is DnsStatus.OK:
        return Outcome(Status.DUNNO, f"{domain} has an MX or address record")
    if found.status is DnsStatus.NULLMX:
        code, dsn = side.null_mx
        text = f"{line} Domain {domain} does not accept mail (nullMX)"
        return state.reject(code, dsn, text, f"{domain} says that it takes no mail (MX .)")
    if found.status is DnsStatus.RETRY:
        later = not state.server.defers("unknown_address_tempfail_action")
        why = f"the DNS did not answer for {domain}"
        return state.defer_if_permit(450, side.unknown, f"{line} Domain not found", why, later=later)
    reason = "Malformed DNS server reply" if found.status is DnsStatus.INVAL else "Domain not found"
    code = state.server.number("unknown_address_reject_code")
    return state.reject(code, side.unknown, f"{line} {reason}", f"{domain} has no MX and no address record")


def _unlisted(state: State, side: Side, address: str) -> Outcome:
    return reject_unlisted(state, address, side.reply_class)


def _unverified(state: State, side: Side, address: str) -> Outcome:
    answer = probe(state, address)
    if answer.status == "ok":
        return Outcome(Status.DUNNO, f"{address} is deliverable")
    server = state.server
    undeliverable = answer.status == "undeliverable"
    code = server.number(f"{side.prefix}_{'reject' if undeliverable else 'defer'}_code")
    reason = answer.text
    alternative = server.text(f"{side.prefix}_reject_reason")
    if code >= 400 and alternative:
        reason = alternative
    line = f"<{address}>: {side.reply_class} rejected:"
    if 200 <= code <= 299:
        return Outcome(Status.DUNNO, f"{address} could not be verified, and the reply code {code} lets it pass")
    if 400 <= code <= 499:
        later = not server.defers(f"{side.prefix}_tempfail_action")
        text = f"{line} unverified address: {reason[:250]}"
        return state.defer_if_permit(code, side.unverified, text, f"{address} could not be verified", later=later)
    text = f"{line} undeliverable address: {reason}"
    return state.reject(code, side.unverified, text, f"{address} is not deliverable")


def _rules() -> dict[str, Rule]:
    checks: Mapping[str, tuple[Side, Callable[[State, Side, str], Outcome]]] = {
        "reject_non_fqdn_sender": (SENDER, _non_fqdn),
        "reject_non_fqdn_recipient": (RECIPIENT, _non_fqdn),
        "reject_unknown_address": (SENDER, _unknown_domain),
        "reject_unknown_sender_domain": (SENDER, _unknown_domain),
        "reject_unknown_recipient_domain": (RECIPIENT, _unknown_domain),
        "reject_unlisted_sender": (SENDER, _unlisted),
        "reject_unlisted_recipient": (RECIPIENT, _unlisted),
        "check_recipient_maps": (RECIPIENT, _unlisted),
        "reject_unverified_sender": (SENDER, _unverified),
        "reject_unverified_recipient": (RECIPIENT, _unverified),
    }
    return {name: Rule(Argument.NONE, _of(side, check)) for name, (side, check) in checks.items()}


RULES: Mapping[str, Rule] = _rules()
