# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A line of the mail log, as smtpd and postscreen write it when they refuse or redirect, to the session behind it.

The forms are those of Postfix 3.4 to 3.11 (log_whatsup() of smtpd_check.c, psc_rcpt_cmd() of postscreen_smtpd.c), with
what syslog, the journal or maillog_file put before them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError, Session

REFUSALS = ("reject", "reject_warning", "milter-reject", "proxy-reject")
"""Actions after which the client got an error; ``reject_warning`` is what warn_if_reject would have refused."""


class LogLineError(PolicyError):
    """The line is no decision of smtpd or postscreen about a client."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One decision that Postfix logged.

    :param program: ``smtpd`` or ``postscreen``
    :param service: what syslog_name says about the service, such as ``submission``; empty for plain ``postfix/smtpd``
    :param action: ``reject``, ``reject_warning``, ``milter-reject``, ``hold``, ``filter``, ``redirect``, ...
    :param stage: SMTP command: ``CONNECT``, ``EHLO``, ``HELO``, ``MAIL``, ``RCPT``, ``DATA``, ``END-OF-MESSAGE``, ...
    :param name: verified client name or ``unknown``; postscreen looks none up
    :param code: SMTP reply code; 0 when the line has none
    :param dsn: enhanced status code, empty when the line has none
    :param text: rest of the reply, or what the line says instead of one
    :param sender: None when the line has none; ``""`` is the null sender
    :param helo: None when the client had said none
    :param login: SASL login name, empty without authentication
    """

    program: str
    action: str
    stage: str
    addr: str
    text: str
    service: str = ""
    name: str = "unknown"
    code: int = 0
    dsn: str = ""
    sender: str | None = None
    recipient: str | None = None
    proto: str = ""
    helo: str | None = None
    login: str = ""

    @property
    def refused(self) -> bool:
        """Whether the client was told no."""
        return self.action in REFUSALS and self.action != "reject_warning"

    def session(self, service: str = "smtp/inet") -> Session:
        """The session of the line, as far as the line tells it.

        :param service: the service of master.cf that wrote it
        """
        no_reverse = "your reverse hostname" in self.text
        return Session(
            addr=self.addr,
            name=self.name,
            reverse="unknown" if no_reverse else None,
            helo=self.helo,
            ehlo=self.proto != "SMTP",
            login=self.login,
            sender=self.sender,
            rcpts=() if self.recipient is None else (self.recipient,),
            data=self.stage in ("DATA", "BDAT", "END-OF-MESSAGE"),
            service=service,
            vrfy=self.recipient if self.stage == "VRFY" else None,
        )


# The process, wherever it stands: "postfix/smtpd[123]:", "postfix/submission/smtpd[1]:", "postfix-out/smtpd 12 - -".
_PROCESS = re.compile(
    r"(?:^|[\s\"])(?P<tag>[\w.\-]+(?:/[^\s/\[\]:]+)*/(?P<program>[a-z]+))(?:\[\d+\]:?|\s+\d+\s+-\s+-|:)\s"
)
_QUEUE_ID = r"(?:NOQUEUE|[0-9A-F]{6,}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,})"
_CLIENT = r"(?P<name>[^\s\[\]]*)\[(?P<addr>[^\]]+)\](?::(?P<port>\d+))?"
_ACTIONS = (
    r"reject|reject_warning|milter-reject|proxy-reject|warn|hold|filter|redirect|discard|delay|bcc|prepend|info|hangup"
    r"|permit|milter-discard|milter-hold"
)
_DECISION = re.compile(
    rf"(?:{_QUEUE_ID}: )?(?P<action>{_ACTIONS}): (?P<stage>[A-Z][A-Z\-]*)(?: content)? from {_CLIENT}: (?P<rest>.*)$",
    re.DOTALL,
)
_TAIL = re.compile(
    r"^(?P<text>.*?);?(?:,? from=<(?P<sender>.*?)>)?(?:,? to=<(?P<recipient>.*?)>)?(?:,? proto=(?P<proto>[A-Z]+))?"
    r"(?:,? helo=<(?P<helo>.*?)>)?(?: sasl_method=\S+)?(?: sasl_username=(?P<login>.*?))?(?: sasl_sender=\S+)?$",
    re.DOTALL,
)
_REPLY = re.compile(r"^(?P<code>[2-5]\d\d)(?: (?P<dsn>[245]\.\d{1,3}\.\d{1,3}))?(?: (?P<text>.*))?$", re.DOTALL)
_SCREEN = re.compile(
    r"(?P<what>PREGREET|HANGUP|DNSBL rank|COMMAND [A-Z ]+?|NON-SMTP COMMAND|BARE NEWLINE|BLACKLISTED|DENYLISTED)\b.*?"
    r"\[(?P<addr>[0-9a-fA-F:.]+)\]:\d+"
)

# What people paste by mistake -> what to look for instead.
_OTHER = tuple(
    (re.compile(pattern, re.IGNORECASE), meaning)
    for pattern, meaning in (
        (
            "rate limit exceeded|concurrency limit|too many errors",
            "it is about a limit, such as smtpd_client_*_limit",
        ),
        (r"\bstatus=\w+", "it is about a delivery, after the message was accepted; look for NOQUEUE or reject"),
        (r"\bclient=\S+\[", "it says that the message was accepted"),
        (r"SASL \S+ authentication failed", "it is about a wrong password, which no restriction decides"),
        ("lost connection after|timeout after|SSL_accept error", "it is about a connection that broke"),
        ("(?:dis)?connect from", "it only says that a client came or went"),
    )
)
_WANTED = "Give a line with reject:, such as: -e \"log='NOQUEUE: reject: RCPT from unknown[203.0.113.7]: 450 ...'\""


def parse_log_line(line: str) -> LogLine:
    """What a line of the mail log says.

    :raises LogLineError: it is no decision about a client; the text says what it is instead, where that is known
    """
    text = _from_journal(" ".join(part.strip() for part in line.strip().splitlines()))
    tag, program = _process(text)
    decision = _DECISION.search(text)
    if decision is None:
        return _screen_event(text, program)
    tail = _TAIL.match(decision["rest"])
    if tail is None:
        raise AssertionError("every part of the tail is optional")
    words = tail["text"].rstrip(";")
    reply = _REPLY.match(words)
    return LogLine(
        program=program or ("smtpd" if decision["name"] else "postscreen"),
        service=_service(tag),
        action=decision["action"],
        stage=decision["stage"],
        name=decision["name"] or "unknown",
        addr=decision["addr"],
        code=int(reply["code"]) if reply else 0,
        dsn=(reply["dsn"] or "") if reply else "",
        text=(reply["text"] or "") if reply else words,
        sender=tail["sender"],
        recipient=tail["recipient"],
        proto=tail["proto"] or "",
        helo=tail["helo"],
        login=tail["login"] or "",
    )


def _from_journal(line: str) -> str:
    """The line that ``journalctl --output=json`` wrapped up."""
    if not line.startswith("{"):
        return line
    try:
        record = json.loads(line)
    except ValueError:
        return line
    message, tag = record.get("MESSAGE"), record.get("SYSLOG_IDENTIFIER", "postfix/smtpd")
    return f"{tag}[1]: {message}" if isinstance(message, str) else line


def _process(line: str) -> tuple[str, str]:
    """(syslog tag, program) of the line; empty where it has none."""
    for found in _PROCESS.finditer(line):
        if found["program"] in ("smtpd", "postscreen"):
            return found["tag"], found["program"]
    other = _PROCESS.search(line)
    if other and not _DECISION.search(line):
        raise LogLineError(f"This log line was written by {other['tag']}, which is not smtpd or postscreen. {_WANTED}")
    return "", ""


def _service(tag: str) -> str:
    """``submission`` of ``postfix/submission/smtpd``; empty for ``postfix/smtpd``."""
    parts = tag.split("/")
    return parts[-2] if len(parts) > 2 else ""


def _screen_event(line: str, program: str) -> LogLine:
    """What postscreen logs of its tests before it refuses."""
    event = _SCREEN.search(line)
    if event and program in ("", "postscreen"):
        return LogLine("postscreen", event["what"].lower(), "CONNECT", event["addr"], line[event.start() :])
    for pattern, meaning in _OTHER:
        if pattern.search(line):
            raise LogLineError(f"This log line decides nothing about a client: {meaning}. {_WANTED}")
    raise LogLineError(f"This is no line of smtpd or postscreen about a client: {line[:120]!r}. {_WANTED}")
