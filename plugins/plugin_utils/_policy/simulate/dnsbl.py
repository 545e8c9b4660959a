# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS blocklists and allowlists: ``reject_rbl_client`` and its relatives, and what their replies say."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.dns import DnsStatus
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.hostnames import ascii_name, is_hostname
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.expand import MacroError, expand
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate import replies
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.destination import is_authorized
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.lists import Argument, Context, Rule
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import (
    Outcome,
    SessionOver,
    State,
    Status,
)

LONGEST_REASON = 500
"""Octets of TXT records that a reply may quote."""

_NUMBER = r"(?:[0-9]+)"
_ITEM = rf"{_NUMBER}(?:\.\.{_NUMBER})?"
_FIELD = rf"(?:{_NUMBER}|\[{_ITEM}(?:;{_ITEM})*\])"
_FILTER = re.compile(rf"{_FIELD}(?:\.{_FIELD}){{3}}")


class Listing(NamedTuple):
    """:param status: OK listed, DUNNO not listed, RETRY the list did not answer"""

    status: Status
    query: str = ""
    addresses: tuple[str, ...] = ()
    reason: str = ""


_NOT_LISTED = Listing(Status.DUNNO)


@lru_cache(maxsize=256)
def address_filter(pattern: str) -> tuple[tuple[tuple[int, int], ...], ...] | None:
    """The four fields of ``127.0.0.[2..11;15]`` as ranges of octets; None where Postfix cannot read it."""
    text = pattern
    if text.startswith("["):
        end = _end_of_brackets(text)
        if end < 0:
            return None
        if end == len(text) - 1:
            text = text[1:-1]
    if not _FILTER.fullmatch(text):
        return None
    fields = tuple(_ranges(field) for field in re.findall(_FIELD, text))
    if any(low > high or high > 255 for ranges in fields for low, high in ranges):
        return None
    return fields


def _end_of_brackets(text: str) -> int:
    level = 0
    for at, char in enumerate(text):
        level += (char == "[") - (char == "]")
        if char == "]" and level == 0:
            return at
    return -1


def _ranges(field: str) -> tuple[tuple[int, int], ...]:
    items = [item.split("..") for item in field.strip("[]").split(";")]
    return tuple((int(item[0]), int(item[-1])) for item in items)


def _matches(address: str, fields: tuple[tuple[tuple[int, int], ...], ...]) -> bool:
    octets = [int(octet) for octet in address.split(".")]
    return all(any(low <= octet <= high for low, high in ranges) for octet, ranges in zip(octets, fields, strict=False))


def _listing(state: State, prefix: str, site: str) -> Listing:
    """Asks one list.

    :param site: domain, with ``=filter`` where only some of its answers count
    """
    domain, equals, pattern = site.partition("=")
    query = f"{prefix}.{domain}"
    result = state.dns.lookup(query, "A")
    fields = address_filter(pattern) if equals else ()
    if fields is None:
        raise SessionOver(f'fatal: RBL reply error: the address filter "{pattern}" cannot be read')
    if result.status is DnsStatus.NOTFOUND:
        return Listing(Status.DUNNO, query)
    if result.status is not DnsStatus.OK:
        return Listing(Status.RETRY, query)
    if equals and not any(_matches(address, fields) for address in result.values):
        return Listing(Status.DUNNO, query, result.values)
    return Listing(Status.OK, query, result.values, _reason(state, query))


def _reason(state: State, query: str) -> str:
    reason = b""
    records = state.dns.lookup(query, "TXT").values
    for place, record in enumerate(records):
        left = LONGEST_REASON - len(reason)
        if left <= 0:
            break
        reason += record.encode("utf-8", "surrogateescape")[:left]
        if place < len(records) - 1 and LONGEST_REASON - len(reason) > 3:
            reason += b" / "
    # What is not printable ASCII becomes a blank (src/dns/dns_lookup.c).
    return "".join(chr(octet) if 0x20 <= octet < 0x7F else " " for octet in reason)


def _address_listing(state: State, site: str, address: str) -> Listing:
    return _listing(state, _reversed(address), site)


def _reversed(address: str) -> str:
    if ":" in address:
        return ".".join(reversed(ipaddress.IPv6Address(address).exploded.replace(":", "")))
    return ".".join(reversed(address.split(".")))


def _domain_listing(state: State, site: str, name: str) -> Listing:
    """Of a host name or an address's domain; address literals and names that end in digits are not asked."""
    at = name.rfind("@")
    domain = name[at + 1 :]
    if not domain or (at >= 0 and domain.startswith("[")):
        return _NOT_LISTED
    last = domain[domain.rfind(".") + 1 :]
    if last.isascii() and last.isdigit():
        return _NOT_LISTED
    domain = domain if domain.isascii() else ascii_name(domain) or domain
    if not is_hostname(domain):
        return _NOT_LISTED
    return _listing(state, domain, site)


def _why(listing: Listing, what: str, site: str) -> str:
    if listing.status is Status.OK:
        return f"{what} is listed in {site} ({', '.join(listing.addresses)})"
    if listing.status is Status.RETRY:
        return f"{site} did not answer for {what}"
    if listing.addresses:
        return f"{what} is in {site.partition('=')[0]}, with {', '.join(listing.addresses)}, which {site} leaves out"
    return f"{what} is not listed in {site}"


def _reject(state: State, listing: Listing, site: str, what: str, reply_class: str) -> Outcome:
    why = _why(listing, what, site)
    if listing.status is not Status.OK:
        return Outcome(Status.DUNNO, why)
    reply = _reply_text(state, listing, site, what, reply_class)
    if not re.match(r"[45][0-9]{2} ", reply):
        return state.reject(450, "4.7.1", "Service unavailable", why)
    dsn, text = replies.split_enhanced_code("4.7.1", reply[4:])
    return state.reject(int(reply[:3]), replies.fit_enhanced_code(dsn, reply_class), text or "Service unavailable", why)


def _reply_text(state: State, listing: Listing, site: str, what: str, reply_class: str) -> str:
    domain = site.partition("=")[0]
    values = {
        "rbl_code": str(state.server.number("maps_rbl_reject_code")),
        "rbl_domain": domain,
        "rbl_reason": listing.reason,
        "rbl_txt": listing.reason,
        "rbl_what": what,
        "rbl_class": reply_class,
    }
    template = _template(state, site, domain)
    if template is not None:
        text = fill(state, template, values)
        if text is not None:
            return text
    default = state.server.raw("default_rbl_reply")
    text = fill(state, default, values)
    if text is None:
        raise SessionOver(f"fatal: rbl_reject_reply: bad default rbl reply template: {default}")
    return text


def _template(state: State, site: str, domain: str) -> str | None:
    # Postfix 3.8 tries the domain without its filter as well.
    keys = [site, domain] if site != domain and state.server.version >= (3, 8) else [site]
    for key in keys:
        found = state.server.find(state, "rbl_reply_maps", key)
        if found.status < 0:
            raise state.server_error(f"rbl_reply_maps cannot be asked for {key}")
        if found.value is not None:
            return found.value
    return None


def fill(state: State, template: str, values: Mapping[str, str], *, lenient: bool = False) -> str | None:
    """A reply template with its macros replaced; None where Postfix cannot use it.

    :param lenient: a name that there is not counts as empty
    """
    unknown: set[str] = set()

    def lookup(name: str) -> str | None:
        value = values.get(name)
        if value is None:
            value = attribute(state, name)
        if value is None:
            unknown.add(name)
            return None
        # Values are not expanded again.
        return state.server.filtered(value).replace("$", "$$")

    try:
        text = expand(template, lookup)
    except MacroError:
        return None
    if not lenient and any(re.search(rf"\$(?:{name}\b|[{{(]\s*{name}\s*[}})])", template) for name in unknown):
        return None
    return text


def attribute(state: State, name: str) -> str | None:
    """Value of a session attribute in reply templates (src/smtpd/smtpd_expand.c); None for an unknown name."""
    plain: dict[str, str] = {
        "server_name": state.server.text("myhostname"),
        "client": state.namaddr,
        "client_port": "0",
        "client_address": state.addr,
        "client_name": state.name.text,
        "reverse_client_name": state.reverse.text,
        "helo_name": state.helo or "",
    }
    if name in plain:
        return plain[name]
    for prefix, address in (("sender", state.sender), ("recipient", state.recipient)):
        if name.startswith(prefix):
            return _part(address, name[len(prefix) :])
    if name == "localtime":
        state.assume("The time of day in a reply is not known.")
        return "Jan 01 00:00:00"
    return None


def _part(address: str | None, suffix: str) -> str | None:
    if address is None:
        return ""
    local, at, domain = address.rpartition("@")
    if suffix == "":
        return address or "<>"
    if suffix == "_name":
        return (local if at else address) or "<>"
    if suffix == "_domain":
        return domain if at else ""
    return None


def _permit(state: State, look_up: Callable[[], Listing], site: str, what: str, reply_class: str) -> Outcome:
    if state.where == "RCPT" and state.recipient is not None and not is_authorized(state, state.recipient):
        return Outcome(Status.DUNNO, f"{state.recipient} is not ours, and an allowlist cannot grant relaying", "skip")
    listing = look_up()
    why = _why(listing, what, site)
    if listing.status is Status.RETRY:
        return state.defer_if_reject(450, "4.7.1", f"<{what}>: {reply_class} rejected: Service unavailable", why)
    return Outcome(listing.status, why)


_NO_DOMAIN = Outcome(Status.DUNNO, "the list's domain is missing: Postfix only warns", "skip")


def _reject_rbl_client(state: State, site: str, _context: Context) -> Outcome:
    if not site:
        return _NO_DOMAIN
    return _reject(state, _address_listing(state, site, state.addr), site, state.addr, replies.CLIENT)


def _permit_dnswl_client(state: State, site: str, _context: Context) -> Outcome:
    if not site:
        return _NO_DOMAIN
    return _permit(state, lambda: _address_listing(state, site, state.addr), site, state.addr, replies.CLIENT)


def _reject_maps_rbl(state: State, _argument: str, _context: Context) -> Outcome:
    """One list after the other of maps_rbl_domains; Postfix 3.9 removed it."""
    if state.server.version >= (3, 9):
        raise state.server_error("Postfix 3.9 removed reject_maps_rbl; reject_rbl_client takes its place")
    for site in state.server.words("maps_rbl_domains"):
        outcome = _reject_rbl_client(state, site, _context)
        if outcome.status is not Status.DUNNO:
            return outcome
    return Outcome(Status.DUNNO, f"{state.addr} is in none of maps_rbl_domains")


def _of_name(pick: Callable[[State], str | None], reply_class: str) -> Callable[[State, str, Context], Outcome]:
    """``reject_rhsbl_*`` for one name of the session."""

    def check(state: State, site: str, _context: Context) -> Outcome:
        if not site:
            return _NO_DOMAIN
        name = pick(state)
        if not name:
            return Outcome(Status.DUNNO, "there is no name to look up", "skip")
        return _reject(state, _domain_listing(state, site, name), site, name, reply_class)

    return check


def _client_name(state: State) -> str | None:
    return None if state.name.text.lower() == "unknown" else state.name.text


def _reverse_name(state: State) -> str | None:
    return None if state.reverse.text.lower() == "unknown" else state.reverse.text


def _permit_rhswl_client(state: State, site: str, _context: Context) -> Outcome:
    if not site:
        return _NO_DOMAIN
    name = _client_name(state)
    if name is None:
        return Outcome(Status.DUNNO, "the client has no verified name", "skip")
    return _permit(state, lambda: _domain_listing(state, site, name), site, name, replies.CLIENT)


RULES: Mapping[str, Rule] = {
    "reject_rbl_client": Rule(Argument.DOMAIN, _reject_rbl_client),
    "reject_rbl": Rule(Argument.DOMAIN, _reject_rbl_client),
    "reject_maps_rbl": Rule(Argument.NONE, _reject_maps_rbl),
    "permit_dnswl_client": Rule(Argument.DOMAIN, _permit_dnswl_client),
    "permit_rhswl_client": Rule(Argument.DOMAIN, _permit_rhswl_client),
    "reject_rhsbl_client": Rule(Argument.DOMAIN, _of_name(_client_name, replies.CLIENT)),
    "reject_rhsbl_reverse_client": Rule(Argument.DOMAIN, _of_name(_reverse_name, replies.REVERSE_CLIENT)),
    "reject_rhsbl_helo": Rule(Argument.DOMAIN, _of_name(lambda state: state.helo, replies.HELO)),
    "reject_rhsbl_sender": Rule(Argument.DOMAIN, _of_name(lambda state: state.sender, replies.SENDER)),
    "reject_rhsbl_recipient": Rule(Argument.DOMAIN, _of_name(lambda state: state.recipient, replies.RECIPIENT)),
}
