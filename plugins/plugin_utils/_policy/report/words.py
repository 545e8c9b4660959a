# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plain words for services, lists, severities and replies, for somebody who does not know Postfix well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.explain import decisive
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Service, Severity, Verdict

LABELS: Mapping[str, str] = MappingProxyType(
    {
        Severity.RELAY: "Can be misused",
        Severity.LOST: "Mail is lost",
        Severity.DEFERRED: "Mail is delayed",
        Severity.IDLE: "No effect",
        Severity.STYLE: "Untidy",
    }
)
"""What a severity means, as a badge."""

SUMMARIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        Severity.RELAY: ("way to misuse this server", "ways to misuse this server"),
        Severity.LOST: ("mistake that turns mail or users away", "mistakes that turn mail or users away"),
        Severity.DEFERRED: ("mistake that delays or stops mail", "mistakes that delay or stop mail"),
        Severity.IDLE: ("rule without effect", "rules without effect"),
        Severity.STYLE: ("untidy place", "untidy places"),
    }
)

HEADLINES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        Severity.RELAY: (
            "This server can be misused.",
            "Somebody can send mail through it, or in another's name. Other servers then stop accepting mail from it.",
        ),
        Severity.LOST: (
            "This server turns away mail or users that it should serve.",
            "It is not open to strangers, as far as the configuration tells.",
        ),
        Severity.DEFERRED: (
            "Mail is delayed, or will stop, because of mistakes in the configuration.",
            "It is not open to strangers, as far as the configuration tells.",
        ),
        Severity.IDLE: (
            "No dangerous mistake was found.",
            "Some rules do nothing; what they were meant to do, nobody does.",
        ),
        Severity.STYLE: ("No dangerous mistake was found.", "A few places could be tidier."),
        "ok": ("No mistake was found.", "That is as much as can be told from the configuration."),
    }
)

LISTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "smtpd_client_restrictions": ("Client", "Judges the client by its address and name."),
        "smtpd_helo_restrictions": ("Greeting", "Judges the name that the client greets with (HELO or EHLO)."),
        "smtpd_sender_restrictions": ("Sender", "Judges the sender's address."),
        "smtpd_relay_restrictions": ("Relay", "Decides who may send mail to other servers through this one."),
        "smtpd_recipient_restrictions": (
            "Recipient",
            "Judges the recipient's address; many put their spam rules here.",
        ),
        "smtpd_data_restrictions": ("Before the text", "Judges once more before the message itself is sent."),
        "smtpd_end_of_data_restrictions": ("After the text", "Judges once more after the message was sent."),
        "smtpd_etrn_restrictions": ("ETRN", "Decides who may ask for a delivery run (ETRN)."),
    }
)
"""Restriction lists in the order of a session: short title, and what they do."""

OTHER_LISTS: Mapping[str, str] = MappingProxyType(
    {
        "mynetworks": "Addresses of your own machines. They may usually send to anywhere, without a password.",
        "mydestination": "Domains whose mail is delivered on this server to its Unix users.",
        "virtual_mailbox_domains": "Domains whose mail is delivered on this server to mailboxes.",
        "virtual_alias_domains": "Domains whose addresses are all forwarded to others.",
        "relay_domains": "Domains whose mail this server takes and hands on to another.",
        "postscreen_access_list": "Clients that postscreen lets in or turns away before anything else.",
        "postscreen_dnsbl_sites": "Lists of bad addresses that postscreen asks, with what each counts.",
    }
)


@dataclass(frozen=True, slots=True)
class Door:
    """A service as people know it.

    :param title: such as ``Port 25``
    :param who: who comes through it, one or two words
    """

    title: str
    who: str
    about: str


_PORTS = {"smtp": "25", "submission": "587", "submissions": "465", "smtps": "465"}
_PURPOSE = {
    "25": ("Other servers", "Other mail servers bring mail here. Everybody in the world can connect."),
    "587": ("Your users", "Your users send their mail here, from anywhere, with a password."),
    "465": ("Your users", "Your users send their mail here, from anywhere, with a password, over TLS from the start."),
}


def door(service: Service) -> Door:
    """What a service of master.cf is to people."""
    if service.type == "pass":
        return Door("Port 25, behind postscreen", "Other servers", _PURPOSE["25"][1])
    host, _colon, name = service.name.rpartition(":")
    port = _PORTS.get(name, name)
    if service.type != "inet" or not port.isdigit():
        return Door(service.key, "Clients", "A service of your own.")
    who, about = _PURPOSE.get(port, ("Clients", "A service of your own."))
    return Door(f"Port {port}" + (f" on {host}" if host else ""), who, about)


def sentence(text: str) -> str:
    """With a capital first letter, unless it begins with a word of the configuration."""
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text


def count(number: int, one: str, many: str) -> str:
    """``1 rule``, ``2 rules``."""
    return f"{number} {one if number == 1 else many}"


def outcome(verdict: Verdict) -> tuple[str, str]:
    """(tone, words) of a verdict: tones are ``ok``, ``refused``, ``later`` and ``broken``."""
    if verdict.fatal:
        return "broken", "no service"
    stage = decisive(verdict)
    if verdict.crash or (stage and stage.action == "crash"):
        return "broken", "connection breaks"
    if stage is None:
        return "ok", "accepted"
    if stage.action == "defer" or 400 <= stage.code < 500:
        return "later", f"put off, {stage.code}"
    if stage.action == "reject" or stage.code >= 500:
        return "refused", f"refused, {stage.code}"
    if stage.action == "discard":
        return "broken", "thrown away silently"
    return "ok", "accepted"
