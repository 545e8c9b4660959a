# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nouns of the restriction engine, shared by its parser, linter and simulator.

Numbers of sections in comments are those of RFC 5321 unless they name another source.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Version = tuple[int, int]
"""Major and minor number of Postfix, such as ``(3, 10)``."""

TableContent = str | Mapping[str, str]
"""A table as the text of its source file, or as key -> result."""

Answers = Mapping[str, Sequence[str]]
DnsData = Mapping[str, Answers | str]
"""Name (or ``*.`` wildcard) -> record type -> values, or ``"SERVFAIL"``; every other name does not exist.

Values are in presentation form: ``A`` "192.0.2.1", ``MX`` "10 mx.example.org" (or only the name), ``TXT`` the text.
"""


class PolicyError(ValueError):
    """Input that cannot be read at all; the text says what, why and what to write instead."""


class Kind(enum.Enum):
    """What Postfix takes an element of a restriction list for."""

    RESTRICTION = "restriction"
    CLASS = "class"
    TABLE = "table"  # a bare type:name, looked up as the list's own kind of access table
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a list, after macros were expanded.

    :param text: without the outer braces of ``{ ... }``
    :param start: offset in the expanded value, in characters
    :param braced: whether it stood in braces
    """

    text: str
    start: int = 0
    braced: bool = False

    def __str__(self) -> str:
        return f"{{{self.text}}}" if self.braced else self.text


@dataclass(frozen=True, slots=True)
class Element:
    """One step of a restriction list: a restriction with its argument and the ``warn_if_reject`` before it.

    :param index: place in the list, from 0
    :param words: all its words as written, ``warn_if_reject`` included
    :param name: the restriction, class or table as written
    :param argument: the word after it that belongs to it; None when it takes none or none is left
    :param warn: ``warn_if_reject`` stands before it
    """

    index: int
    words: tuple[Word, ...]
    kind: Kind
    name: str
    argument: Word | None = None
    warn: bool = False

    def __str__(self) -> str:
        return " ".join(str(word) for word in self.words)


@dataclass(frozen=True, slots=True)
class Service:
    """One line of master.cf.

    :param name: first field, such as ``smtp`` or ``192.0.2.1:587``
    :param type: ``inet``, ``unix``, ``unix-dgram``, ``fifo`` or ``pass``
    :param command: the program, such as ``smtpd``
    :param overrides: ``-o`` parameter -> value, unexpanded; the last of a name wins, as in Postfix
    :param arguments: all other arguments of the command, in order
    :param chroot: None means Postfix's default for the version and compatibility level
    :param line: line of master.cf, from 1; 0 where it came from elsewhere
    :param wakeup: seconds, ``?`` may follow; empty for the default
    :param maxproc: most processes, ``0`` for no limit; empty for default_process_limit
    :param problems: what the daemon dies of when it reads its command line, in Postfix's words
    """

    name: str
    type: str
    command: str
    overrides: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    private: bool | None = None
    chroot: bool | None = None
    line: int = 0
    unprivileged: bool | None = None
    wakeup: str = ""
    maxproc: str = ""
    problems: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """As ``postconf -M`` names it: ``submission/inet``."""
        return f"{self.name}/{self.type}"


class Severity(enum.StrEnum):
    """What a mistake costs, worst first."""

    RELAY = "relay"  # open relay, or a check that can be walked around
    LOST = "lost"  # mail bounced, or users locked out
    DEFERRED = "deferred"  # mail delayed, or the service down
    IDLE = "idle"  # a rule without effect
    STYLE = "style"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a policy.

    :param code: stable name, documented in docs/findings.md
    :param parameter: main.cf parameter, or a table's ``type:name``; empty for a service as a whole
    :param service: ``smtp/inet`` where the finding holds for one service only, else empty
    :param index: place in the list, from 0; None for the whole parameter
    :param element: the element as written; empty for the whole parameter
    :param message: what is wrong, one sentence
    :param consequence: what happens to mail, one sentence
    :param fix: what to write instead
    :param session: for severity relay: a session that shows it, as ``Session.as_dict``
    """

    code: str
    severity: Severity
    parameter: str
    message: str
    consequence: str
    fix: str
    service: str = ""
    index: int | None = None
    element: str = ""
    session: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as the filters hand it to Ansible."""
        record: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return {**record, "severity": self.severity.value}


@dataclass(frozen=True, slots=True)
class Session:
    """What a client says to one service.

    :param addr: client address
    :param name: its verified name, or ``unknown``
    :param reverse: its unverified name (PTR); None means the same as ``name``
    :param helo: None when no HELO is sent
    :param ehlo: EHLO rather than HELO
    :param login: SASL login name; empty when not authenticated
    :param sender: envelope sender, ``""`` is the null sender; None: no MAIL command, unless recipients or data want one
    :param rcpts: envelope recipients, in order
    :param data: whether the message itself is sent
    :param service: service of master.cf that is spoken to
    :param vrfy: argument of VRFY, sent after the transaction's commands
    :param etrn: argument of ETRN, sent last
    :param size: octets announced with MAIL; None when not announced
    :param tls: whether the session is encrypted; None: as far as the service demands it
    """

    addr: str = "192.0.2.1"
    name: str = "unknown"
    reverse: str | None = None
    helo: str | None = None
    ehlo: bool = True
    login: str = ""
    sender: str | None = None
    rcpts: tuple[str, ...] = ()
    data: bool = False
    service: str = "smtp/inet"
    vrfy: str | None = None
    etrn: str | None = None
    size: int | None = None
    tls: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        record = {name: getattr(self, name) for name in self.__slots__}
        return {**record, "rcpts": list(self.rcpts)}


@dataclass(frozen=True, slots=True)
class Step:
    """One element that was evaluated on the way to a reply.

    :param parameter: list it stands in (a class's name inside a class)
    :param index: place in that list, from 0
    :param element: as written
    :param result: ``dunno``, ``permit``, ``reject``, ``defer``, ``discard``, ``defer_if_permit``, ``defer_if_reject``,
        ``warn``, ``skip``, ``crash``
    :param why: one clause in plain words, such as ``198.51.100.7 is not in mynetworks``
    :param depth: 0 in a list, 1 in a class or table result of it, and so on
    """

    parameter: str
    index: int
    element: str
    result: str
    why: str
    depth: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Decision:
    """The element that decided. Index None and element empty: the parameter itself decided."""

    parameter: str
    index: int | None
    element: str

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Stage:
    """One SMTP command and its reply.

    :param stage: ``CONNECT``, ``HELO``, ``MAIL``, ``RCPT``, ``DATA``, ``EOD``, ``VRFY``, ``ETRN``
    :param recipient: for RCPT, else None
    :param code: SMTP reply code; 0 when the connection ended without a reply
    :param dsn: enhanced status code such as ``5.7.1``, or None where the reply has none
    :param text: rest of the reply; of a reply of several lines the first
    :param action: ``permit``, ``reject``, ``defer``, ``discard``, ``crash``
    """

    stage: str
    code: int
    dsn: str | None
    text: str
    action: str
    recipient: str | None = None
    decided_by: Decision | None = None
    trail: tuple[Step, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        record: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        record["decided_by"] = self.decided_by.as_dict() if self.decided_by else None
        record["trail"] = [step.as_dict() for step in self.trail]
        return record


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to a session.

    :param fatal: smtpd refuses to start: nobody is served
    :param crash: the process dies during the session, or by a signal at its start
    :param reason: why it is fatal or crashed, in Postfix's words; else empty
    :param assumptions: what the answer rests on and nobody told, one sentence each
    """

    fatal: bool = False
    crash: bool = False
    reason: str = ""
    stages: tuple[Stage, ...] = ()
    assumptions: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        record: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        record["stages"] = [stage.as_dict() for stage in self.stages]
        record["assumptions"] = list(self.assumptions)
        return record
