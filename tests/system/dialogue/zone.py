# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Zones of the lab changed by hand, as their owner would (RFC 2136)."""

from __future__ import annotations

from collections.abc import Callable

import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update
from postern_lab.world import UPDATE_ALGORITHM, UPDATE_KEY, UPDATE_SECRET

from dialogue.lab import Lab, wait_for

# An answer takes milliseconds; more is a hang.
QUERY_SECONDS = 60

Change = Callable[[dns.update.UpdateMessage], None]


def update(lab: Lab, zone: str, change: Change) -> None:
    """Change a zone, and wait until every name server has it: a resolver may ask any of them."""
    keyring = dns.tsigkeyring.from_text({UPDATE_KEY: UPDATE_SECRET})
    message = dns.update.UpdateMessage(zone, keyring=keyring, keyalgorithm=UPDATE_ALGORITHM)
    change(message)
    assert dns.query.tcp(message, lab.dns, timeout=QUERY_SECONDS).rcode() == dns.rcode.NOERROR
    wait_for("the transfer", lambda: len({_serial(each, zone) for each in lab.nameservers}) == 1)


def _serial(nameserver: str, zone: str) -> tuple[str, ...]:
    answer = dns.query.udp(dns.message.make_query(zone, "SOA"), nameserver, timeout=QUERY_SECONDS).answer
    return tuple(record.to_text() for rrset in answer for record in rrset)
