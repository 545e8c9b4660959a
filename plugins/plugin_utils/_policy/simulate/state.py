# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What smtpd knows while it talks to one client, and how a restriction ends.

Names follow src/smtpd/smtpd_state.c where they mean the same.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.networks import compressed
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Decision, Session, Step
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate import replies

if TYPE_CHECKING:
    from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.dns import Dns
    from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.start import Server


class Status(enum.IntEnum):
    """How a restriction or a list ends."""

    RETRY = -2  # a table could not be asked now
    BROKEN = -1  # a table is configured wrongly
    DUNNO = 0
    OK = 1
    REJECT = 2


class Outcome(NamedTuple):
    """:param result: word for the trail where the status does not tell: ``skip``, ``warn``"""

    status: Status
    why: str
    result: str = ""


class Softness(enum.Enum):
    """Whether ``warn_if_reject`` holds a rejection back: never one that tells of a fault on our side."""

    POLICY = enum.auto()
    FAULT = enum.auto()


class Abandoned(Exception):
    """All evaluation of the command ends with the reply at hand: a fault in configuration or tables."""


class SessionOver(Exception):
    """The connection ends without a reply.

    :param crash: the process died
    """

    def __init__(self, reason: str, *, crash: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.crash = crash


@dataclass(slots=True)
class Deferral:
    """A decision kept for later: ``defer_if_permit`` or ``defer_if_reject``. The first one counts."""

    active: bool = False
    code: int = 450
    dsn: str = "4.7.1"
    text: str = ""
    softness: Softness = Softness.POLICY
    decision: Decision | None = None


class Name(NamedTuple):
    """A client name and whether its lookup failed for now, for good, or not at all."""

    text: str
    known: bool
    temporary: bool = False


_NAMELESS = Name("unknown", known=False)
_UNKNOWN_NAMES: Mapping[str, Name] = {
    "unknown": _NAMELESS,
    "": _NAMELESS,
    "[unavailable]": _NAMELESS,
    "[tempunavail]": Name("unknown", known=False, temporary=True),
}


def client_name(text: str) -> Name:
    """A session's name; ``[TEMPUNAVAIL]`` is XCLIENT's word for a lookup that failed for now."""
    return _UNKNOWN_NAMES.get(text.lower()) or Name(text, known=True)


@dataclass(slots=True)
class State:
    """One connection.

    :param where: the SMTP command at hand; ``END-OF-MESSAGE`` after the message
    :param recursion: nesting of lists, 1 inside a list of main.cf
    :param warn: nesting at which ``warn_if_reject`` was met, 0 for none
    :param current: the element of a main.cf list that is being evaluated
    :param decided: what decided about the command
    :param permits: list -> the element that ended it with OK
    :param answers: of policy services and address verification
    :param services_down: policy services whose answer is not given are not running
    :param over: how the session ended, where it ended without a reply
    """

    server: Server
    dns: Dns
    session: Session
    answers: Mapping[str, str]
    assumptions: dict[str, None] = field(default_factory=dict)
    addr: str = ""
    name: Name = _NAMELESS
    reverse: Name = _NAMELESS
    login: str | None = None
    tls: bool = False
    helo: str | None = None
    sender: str | None = None
    recipient: str | None = None
    etrn: str | None = None
    where: str = "CONNECT"
    recipients: int = 0
    overshoot: int = 0
    errors: int = 0
    access_denied: str | None = None
    discard: bool = False
    recursion: int = 0
    warn: int = 0
    if_permit: Deferral = field(default_factory=Deferral)
    if_reject: Deferral = field(default_factory=Deferral)
    deferred_client: bool = False
    deferred_helo: bool = False
    deferred_sender: bool = False
    sender_checked: bool = False
    recipient_checked: bool = False
    policy_nesting: int = 0
    reply: str = ""
    warned: str = ""
    trail: list[Step] = field(default_factory=list)
    current: Decision | None = None
    decided: Decision | None = None
    permits: dict[str, Decision | None] = field(default_factory=dict)
    over: SessionOver | None = None
    services_down: bool = False

    def __post_init__(self) -> None:
        session = self.session
        bare = session.addr.strip("[]")
        self.addr = compressed(bare[5:] if bare[:5].lower() == "ipv6:" else bare)
        self.name = client_name(session.name)
        self.reverse = self.name if session.reverse is None else client_name(session.reverse)
        self.login = session.login or None
        # Where nobody says: encrypted as far as the service demands it, of everybody or of those who log in.
        demanded = self.server.tls_auth_only if self.login else self.server.enforce_tls
        self.tls = demanded if session.tls is None else session.tls

    @property
    def namaddr(self) -> str:
        """Client as replies and logs name it."""
        # XCLIENT without a port leaves it at 0.
        port = ":0" if self.server.flag("smtpd_client_port_logging") else ""
        return f"{self.name.text}[{self.addr}]{port}"

    def assume(self, text: str) -> None:
        self.assumptions.setdefault(text)

    # --- Rejecting and deferring (smtpd_check_reject, defer_if) ---

    def reject(self, code: int, dsn: str, text: str, why: str = "", softness: Softness = Softness.POLICY) -> Outcome:
        """Rejects, unless ``warn_if_reject`` turns it into a line of the log.

        :param dsn: its first digit follows the reply code
        :param why: clause for the trail, the text of the reply where empty
        """
        why = why or text
        warning = bool(self.warn) and softness is Softness.POLICY
        reply = replies.rejection(code, dsn, text, utf8=self.server.utf8)
        if not warning and self.if_reject.active and reply.startswith("5"):
            return self._deferred_instead(why)
        if self.server.soft_bounce:
            reply = replies.softened(reply)
        reply = replies.same_class(reply)
        if warning:
            self.warned = reply
            return Outcome(Status.DUNNO, f"{why}; warn_if_reject only logs it", "warn")
        self.reply = reply
        self.decided = self.current
        return Outcome(Status.REJECT, why)

    def _deferred_instead(self, why: str) -> Outcome:
        self.warn = 0
        self.if_reject.active = False
        kept = self.if_reject
        self.reject(kept.code, kept.dsn, kept.text, why, kept.softness)
        self.decided = kept.decision or self.decided
        return Outcome(Status.REJECT, f"{why}; an earlier defer_if_reject turns the rejection into a deferral")

    def defer_if_reject(self, code: int, dsn: str, text: str, why: str = "") -> Outcome:
        self._keep(self.if_reject, code, dsn, text)
        return Outcome(Status.DUNNO, f"{why or text}; every rejection after this becomes temporary", "defer_if_reject")

    def defer_if_permit(self, code: int, dsn: str, text: str, why: str = "", *, later: bool = True) -> Outcome:
        """Defers once nothing else rejects; at once where a ``*_tempfail_action`` says ``defer``.

        :param later: False for ``defer``
        """
        if self.warn or not later:
            return self.reject(code, dsn, text, why)
        self._keep(self.if_permit, code, dsn, text)
        return Outcome(Status.DUNNO, f"{why or text}; deferred unless something rejects", "defer_if_permit")

    def _keep(self, deferral: Deferral, code: int, dsn: str, text: str) -> None:
        if deferral.active:
            return
        deferral.active = True
        deferral.code, deferral.dsn, deferral.text = code, dsn, text
        deferral.decision = self.current

    def redeem(self, status: Status) -> Status:
        """What a kept ``defer_if_permit`` makes of a list that did not reject."""
        if status is Status.REJECT or not self.if_permit.active:
            return status
        kept = self.if_permit
        decision = kept.decision
        status = self.reject(kept.code, kept.dsn, kept.text, softness=kept.softness).status
        if status is Status.REJECT:
            self.decided = decision or self.decided
        return status

    def server_error(self, why: str) -> Abandoned:
        """A configuration that smtpd cannot follow."""
        self.reject(451, "4.3.5", "Server configuration error", why, Softness.FAULT)
        return Abandoned(why)

    def table_error(self, name: str, why: str = "") -> Abandoned:
        """A table that cannot be asked now.

        :param name: what was looked up
        """
        why = why or f"the lookup of {name} failed"
        self.reject(451, "4.3.0", f"<{name}>: Temporary lookup failure", why, Softness.FAULT)
        return Abandoned(why)

    def reset(self) -> None:
        """Before each list but the second of relay and recipient list."""
        self.recursion = 0
        self.warn = 0
        self.if_reject.active = False
