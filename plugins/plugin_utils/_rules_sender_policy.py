# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about SPF and DMARC: whom they leave alone, and what one cannot do without the other."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._addresses import (
    Problem,
    canonical_domain,
    domain_problem,
    is_ip_address,
)
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, shown

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# A client waits five minutes for the answer to RCPT (RFC 5321 4.5.3.2.3), and Postfix asks a silent service twice.
_LONGEST_TIMEOUT = 140


def network_problem(text: str, *, canonical: bool = False) -> Problem | None:
    """What is wrong with an address or network.

    :param canonical: it is compared as text, and must be written as the machine writes it
    """
    if text != text.strip():
        return Problem("there is white space around it", f"Write: {text.strip()}")
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        try:
            masked = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return Problem("it is neither an address nor a network", "Write for example: 192.0.2.25 or 2001:db8::/48")
        return Problem("it has bits behind the network's length, and is no network so", f"Write: {masked}")
    if network.prefixlen == 0:
        return Problem("it is every host there is", "Write the networks you mean")
    plain = str(network.network_address) if "/" not in text else str(network)
    if canonical and text != plain:
        return Problem("it is compared letter by letter with the short form", f"Write: {plain}")
    return None


def host_problem(text: str) -> Problem | None:
    """What is wrong with an element of opendmarc_trusted_hosts: an address, a network, a name or a .domain."""
    if "/" in text or ":" in text or is_ip_address(text):
        return network_problem(text, canonical=True)
    return domain_problem(text.removeprefix("."))


def _judged(
    variable: str, rule: str, judge: Callable[[str], Problem | None], ours: Problem | None = None
) -> Callable[..., Iterator[Mistake]]:
    """:param ours: what is wrong with a mail domain of this server in the list; None where it may be there"""

    def judged(inventory: Inventory) -> Iterator[Mistake]:
        for index, text in inventory.texts(variable):
            if problem := judge(text) or (ours if canonical_domain(text) in inventory.domains else None):
                yield Mistake(rule, variable, problem.reason, problem.fix, f"[{index}]", shown(text))

    return judged


def _suffix_problem(text: str) -> Problem | None:
    return domain_problem(text if "." in text else f"x.{text}")


exempt_domains = _judged(
    "opendmarc_exempt_domains",
    "exempt-domain",
    domain_problem,
    Problem(
        "it is yours: everybody could write to your users in its name",
        "Remove it; your own users are not judged anyway",
    ),
)
public_suffixes = _judged(
    "opendmarc_public_suffixes",
    "public-suffix",
    _suffix_problem,
    Problem(
        "it is yours: your subdomains would no longer belong to you",
        "Write what your domain is registered below, or remove it",
    ),
)


def authserv_id(inventory: Inventory) -> Iterator[Mistake]:
    variable = "opendmarc_authserv_id"
    name = inventory.text(variable)
    if name and variable in inventory.changed and (problem := domain_problem(name)):
        yield Mistake("authserv-id", variable, problem.reason, problem.fix, value=shown(name))


def times(inventory: Inventory) -> Iterator[Mistake]:
    names = ("policyd_spf_lookup_time", "policyd_spf_timeout", "policyd_spf_time_limit")
    lookup, timeout, limit = (inventory.values.get(name) for name in names)
    if not (isinstance(lookup, int) and isinstance(timeout, int) and isinstance(limit, int)):
        return
    if lookup < 1:
        fix = "Write: 20 (RFC 7208 4.6.4)"
        yield Mistake("spf-times", names[0], "no question is answered in that time", fix, value=str(lookup))
    elif timeout <= 2 * lookup:
        reason = (
            f"HELO and MAIL FROM may take {lookup} seconds each (policyd_spf_lookup_time), and no answer would count"
        )
        yield Mistake("spf-times", names[1], reason, f"Write at least: {2 * lookup + 5}", value=str(timeout))
    if timeout > _LONGEST_TIMEOUT:
        reason = "Postfix asks twice, and clients go away after five minutes"
        yield Mistake("spf-times", names[1], reason, f"Write at most: {_LONGEST_TIMEOUT}", value=str(timeout))
    if limit <= timeout:
        reason = f"the process would end while Postfix waits for it (policyd_spf_timeout: {timeout})"
        yield Mistake("spf-times", names[2], reason, "Write: 3600", value=str(limit))


def dmarc_inputs(inventory: Inventory) -> Iterator[Mistake]:
    """OpenDMARC refuses what neither SPF nor DKIM vouches for, also where nobody could look."""
    if "opendmarc" not in inventory.features:
        return
    enforces = inventory.values.get("opendmarc_stage") == "enforce"
    if "opendkim" in inventory.roles and "opendkim" not in inventory.features:
        reason = "nobody verifies DKIM: all forwarded mail would fail DMARC" + (
            ", and what only DKIM vouches for would be refused" if enforces else ", and the results are of no use"
        )
        fix = "Add opendkim to mail_features" + (", or set opendmarc_stage: observe" if enforces else "")
        yield Mistake("dmarc-without-dkim", "mail_features", reason, fix, severity="error" if enforces else "warning")
    if enforces and not (
        "policyd_spf" in inventory.features and inventory.values.get("policyd_spf_temperror") == "defer"
    ):
        reason = (
            "a name server that does not answer counts as SPF fail: mail that must wait (450) would be refused (550)"
        )
        fix = "Add policyd_spf to mail_features, with policyd_spf_temperror: defer; or set opendmarc_stage: observe"
        yield Mistake("dmarc-without-spf", "opendmarc_stage", reason, fix, value="enforce")


def own_networks(inventory: Inventory) -> Iterator[Mistake]:
    """Who may relay without a password is nobody's user to DMARC, unless it is told."""
    if "opendmarc" not in inventory.features:
        return
    trusted = [network for __, text in inventory.texts("opendmarc_trusted_hosts") for network in _networks(text)]
    for index, text in inventory.texts("postfix_mynetworks"):
        for network in _networks(text):
            if not _is_loopback(network) and not any(_covers(other, network) for other in trusted):
                reason = "mail from there is judged by DMARC like a stranger's, also that with your domains in From"
                fix = f"Write also: opendmarc_trusted_hosts: [{network}]"
                yield Mistake(
                    "dmarc-own-network",
                    "postfix_mynetworks",
                    reason,
                    fix,
                    f"[{index}]",
                    shown(text),
                    severity="warning",
                )


def _networks(text: str) -> list[_Network]:
    """The network that is written, with or without Postfix's brackets; none where it is a name or malformed."""
    try:
        return [ipaddress.ip_network(re.sub(r"[\[\]]", "", text), strict=False)]
    except ValueError:
        return []


def _is_loopback(network: _Network) -> bool:
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return (mapped or network.network_address).is_loopback


def _covers(outer: _Network, inner: _Network) -> bool:
    if isinstance(outer, ipaddress.IPv4Network):
        return isinstance(inner, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, ipaddress.IPv6Network) and inner.subnet_of(outer)


RULES = (
    _judged("policyd_spf_trusted_addresses", "trusted-host", network_problem),
    _judged("policyd_spf_skip_addresses", "trusted-host", network_problem),
    _judged("policyd_spf_trusted_domains", "trusted-host", domain_problem),
    _judged("policyd_spf_trusted_hosts", "trusted-host", domain_problem),
    _judged("opendmarc_trusted_hosts", "trusted-host", host_problem),
    exempt_domains,
    public_suffixes,
    authserv_id,
    times,
    dmarc_inputs,
    own_networks,
)
