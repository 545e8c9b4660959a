# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the catalogue says of a restriction word, and builders for the families of words."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Version


class Argument(enum.Enum):
    """The word that must follow a restriction."""

    NONE = "none"
    TABLE = "type:name"
    DOMAIN = "domain[=address filter]"
    POLICY_SERVICE = "unix:path, inet:host:port, or { endpoint, name=value ... }"
    SECONDS = "number of seconds"
    RESTRICTION = "the restriction it applies to"


class Works(enum.Enum):
    """Whether a restriction can do anything in a list."""

    YES = "yes"
    DELAYED = "only with smtpd_delay_reject = yes"
    PARTLY = "partly"
    NEVER = "no effect"


@dataclass(frozen=True, slots=True)
class Effect:
    """:param reason: why it does not always work there, one clause; empty for YES"""

    works: Works
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReplyText:
    """The reply of a restriction that rejects.

    :param code: SMTP code, or the default of ``code_parameter``
    :param dsn: enhanced status code; its first digit follows the code that is sent
    :param text: with ``<NAME>`` for the list's subject, ``CLASS`` for its reply class, ``ADDR``, ``DOMAIN``, ``LOGIN``
    """

    code: int
    dsn: str
    text: str
    code_parameter: str = ""


@dataclass(frozen=True, slots=True)
class Restriction:
    """One restriction word.

    :param group: ``client``, ``helo``, ``sender``, ``recipient``, ``etrn``, ``generic`` or ``modifier``
    :param since: first release; None for a word that no release implements
    :param deprecated: release from which it is called deprecated or lost its documentation
    :param removed: release from which it answers 451 4.3.5
    :param replacement: what to write instead of an old word
    :param alias_of: the documented word that does the same
    :param profile: key of its stages
    :param needs: attributes it judges; where one is missing it has no effect
    :param results: ``permit``, ``reject``, ``defer``, ``dunno``, ``defer_if_permit``, ``defer_if_reject``, ``table``
        (any result of an access table)
    :param ok_forbidden: a table result OK is answered with 451 4.3.5
    :param guard: counts as a relay guard when smtpd starts
    :param expansion: the restrictions that a built-in class stands for
    :param case_sensitive: Postfix compares the word with case
    :param source: function of smtpd_check.c
    """

    name: str
    group: str
    summary: str
    argument: Argument = Argument.NONE
    since: Version | None = (1, 0)
    deprecated: Version | None = None
    removed: Version | None = None
    replacement: str = ""
    alias_of: str = ""
    profile: str = "any"
    needs: frozenset[str] = frozenset()
    results: frozenset[str] = frozenset()
    reply: ReplyText | None = None
    tempfail: str = ""
    ok_forbidden: bool = False
    guard: bool = False
    expansion: tuple[str, ...] = ()
    case_sensitive: bool = False
    source: str = "generic_checks"

    @property
    def takes_argument(self) -> bool:
        """Whether the next word of the list belongs to it."""
        return self.argument not in (Argument.NONE, Argument.RESTRICTION)

    @property
    def implemented(self) -> bool:
        """Whether any release knows the word."""
        return self.since is not None

    @property
    def documented_name(self) -> str:
        return self.alias_of or self.name

    @property
    def stages(self) -> Mapping[str, Effect]:
        """List parameter -> what the restriction can do there."""
        return PROFILES[self.profile]

    @property
    def code(self) -> int | None:
        return self.reply.code if self.reply else None

    @property
    def code_parameter(self) -> str:
        return self.reply.code_parameter if self.reply else ""

    @property
    def dsn(self) -> str:
        return self.reply.dsn if self.reply else ""

    @property
    def text(self) -> str:
        return self.reply.text if self.reply else ""

    def works_in(self, version: Version) -> bool:
        """Whether that release evaluates it; otherwise it is answered with 451 4.3.5."""
        return self.since is not None and self.since <= version and not (self.removed and version >= self.removed)


@dataclass(frozen=True, slots=True)
class RestrictionList:
    """One of smtpd's lists.

    :param stage: command whose reply it decides with smtpd_delay_reject = no
    :param subject: first attribute of its replies, in the words of :class:`Restriction`.needs
    :param reply_class: the words that replies use, such as ``Client host``
    :param bare_table: restriction that a table without a restriction before it stands for; empty: 451 4.3.5
    :param order: place in the session, from 0
    """

    parameter: str
    stage: str
    subject: str
    reply_class: str
    bare_table: str
    order: int
    since: Version = (1, 0)


LISTS: Mapping[str, RestrictionList] = MappingProxyType(
    {
        each.parameter: each
        for each in (
            RestrictionList(
                "smtpd_client_restrictions", "CONNECT", "client_name", "Client host", "check_client_access", 0
            ),
            RestrictionList("smtpd_helo_restrictions", "HELO", "helo", "Helo command", "check_helo_access", 1),
            RestrictionList("smtpd_sender_restrictions", "MAIL", "sender", "Sender address", "check_sender_access", 2),
            RestrictionList(
                "smtpd_relay_restrictions",
                "RCPT",
                "recipient",
                "Recipient address",
                "check_recipient_access",
                3,
                (2, 10),
            ),
            RestrictionList(
                "smtpd_recipient_restrictions", "RCPT", "recipient", "Recipient address", "check_recipient_access", 4
            ),
            RestrictionList("smtpd_data_restrictions", "DATA", "recipient", "Data command", "", 5, (2, 0)),
            RestrictionList("smtpd_end_of_data_restrictions", "EOD", "recipient", "End-of-data", "", 6, (2, 2)),
            RestrictionList("smtpd_etrn_restrictions", "ETRN", "etrn", "Etrn command", "check_etrn_access", 7),
        )
    }
)

_YES = Effect(Works.YES)


def _delayed(why: str) -> Effect:
    return Effect(Works.DELAYED, why)


def _profile(**effects: Effect) -> Mapping[str, Effect]:
    """Effects by list; a list that is not named works."""
    return MappingProxyType(
        {parameter: effects.get(parameter.split("_", 1)[1].rsplit("_", 1)[0], _YES) for parameter in LISTS}
    )


_NO_SENDER = _delayed("the sender is not known yet without smtpd_delay_reject")
_NO_RECIPIENT = _delayed("the recipient is not known yet without smtpd_delay_reject")
_ONE_RECIPIENT = Effect(Works.PARTLY, "only mail with exactly one accepted recipient has a recipient here")
_NO_MAIL = Effect(Works.NEVER, "ETRN has neither sender nor recipient")
_NO_ETRN = Effect(Works.NEVER, "only ETRN has a domain to look up")
_ETRN_ONLY = _delayed("only ETRN has a domain to look up")
_SECOND = Effect(Works.PARTLY, "only the second and later recipients of a message are seen as several")
_TIMING = Effect(Works.PARTLY, "clients may pipeline these commands; only what comes too early is caught")
_NO_LOGIN = _delayed("without smtpd_delay_reject it runs before AUTH")
_NO_TLS = _delayed("without smtpd_delay_reject it runs before STARTTLS")

PROFILES: Mapping[str, Mapping[str, Effect]] = MappingProxyType(
    {
        "any": _profile(),
        "tls": _profile(client=_NO_TLS),
        "sasl": _profile(client=_NO_LOGIN, helo=_NO_LOGIN),
        "sender": _profile(client=_NO_SENDER, helo=_NO_SENDER, etrn=_NO_MAIL),
        "recipient": _profile(
            client=_NO_RECIPIENT,
            helo=_NO_RECIPIENT,
            sender=_NO_RECIPIENT,
            data=_ONE_RECIPIENT,
            end_of_data=_ONE_RECIPIENT,
            etrn=_NO_MAIL,
        ),
        "etrn": _profile(
            client=_ETRN_ONLY,
            helo=_ETRN_ONLY,
            sender=_NO_ETRN,
            relay=_NO_ETRN,
            recipient=_NO_ETRN,
            data=_NO_ETRN,
            end_of_data=_NO_ETRN,
        ),
        "bounce": _profile(
            client=_SECOND, helo=_SECOND, sender=_SECOND, relay=_SECOND, recipient=_SECOND, etrn=_NO_MAIL
        ),
        "pipelining": _profile(client=_TIMING, helo=_TIMING, sender=_TIMING, relay=_TIMING, recipient=_TIMING),
        "helo": _profile(client=_delayed("HELO comes later without smtpd_delay_reject")),
    }
)

TABLE_REPLY = ReplyText(554, "5.7.1", "<NAME>: CLASS rejected: Access denied", "access_map_reject_code")
RBL_REPLY = ReplyText(
    554, "5.7.1", "Service unavailable; CLASS [ADDR] blocked using DOMAIN; TXT", "maps_rbl_reject_code"
)


def table(name: str, group: str, summary: str, needs: str, **more: object) -> Restriction:
    """A restriction that looks something up in an access table."""
    return Restriction(
        name,
        group,
        summary,
        Argument.TABLE,
        needs=frozenset(needs.split()),
        results=frozenset({"table"}),
        reply=TABLE_REPLY,
        **more,  # type: ignore[arg-type]
    )


def server_tables(name: str, group: str, subject: str, attribute: str, since: Version) -> tuple[Restriction, ...]:
    """The check_*_{a,mx,ns}_access family of one attribute."""
    profile = group if group in ("sender", "recipient", "helo") else "any"
    what = {"a": "addresses of", "mx": "MX hosts of", "ns": "name servers of"}
    return tuple(
        table(
            f"{name}_{kind}_access",
            group,
            f"look up the {text} {subject} in an access table",
            f"{attribute} dns",
            since=(3, 0) if kind == "a" else since,
            ok_forbidden=True,
            profile=profile,
            source="check_server_access",
        )
        for kind, text in what.items()
    )


def dnsbl(name: str, group: str, summary: str, needs: str, **more: object) -> Restriction:
    """A restriction that asks a DNS list and rejects who is on it."""
    return Restriction(
        name,
        group,
        summary,
        Argument.DOMAIN,
        needs=frozenset(needs.split()) | {"dns"},
        results=frozenset({"reject", "dunno"}),
        reply=RBL_REPLY,
        **more,  # type: ignore[arg-type]
    )


def dnswl(name: str, summary: str, needs: str) -> Restriction:
    """A restriction that asks a DNS list and permits who is on it."""
    reply = ReplyText(450, "4.7.1", "<ADDR>: Client host rejected: Service unavailable")
    return Restriction(
        name,
        "client",
        summary,
        Argument.DOMAIN,
        since=(2, 8),
        needs=frozenset({needs, "dns"}),
        results=frozenset({"permit", "dunno", "defer_if_reject"}),
        reply=reply,
        source="permit_dnswl_addr" if needs == "client_addr" else "permit_dnswl_domain",
    )


def plain(name: str, group: str, summary: str, results: str, needs: str = "", **more: object) -> Restriction:
    """A restriction without an argument."""
    return Restriction(
        name,
        group,
        summary,
        results=frozenset(results.split()),
        needs=frozenset(needs.split()),
        **more,  # type: ignore[arg-type]
    )
