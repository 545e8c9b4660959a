# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody asks on the command line, to a session; and the answer to it."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.advice import advise
from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.doors import find_service
from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.explain import Question, explain
from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.facts import assumed_dns
from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.log_line import LogLine, parse_log_line
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Session, Verdict
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.engine import simulate

VALUES = (
    "client",
    "client_name",
    "name",
    "reverse",
    "helo",
    "login",
    "sender",
    "recipient",
    "service",
    "log",
    "listed",
    "dns",
)
"""What can be given with -e."""
_EXAMPLE = "-e client=203.0.113.7 -e sender=a@example.org -e recipient=b@example.net"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was given; None where it was not."""

    client: str | None = None
    name: str | None = None
    reverse: str | None = None
    helo: str | None = None
    login: str | None = None
    sender: str | None = None
    recipient: tuple[str, ...] = ()
    service: str | None = None
    log: str | None = None
    listed: tuple[str, ...] = ()
    dns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    verdict: Verdict
    session: Session


def misspelt(names: Iterable[str]) -> list[str]:
    """A sentence for each name that looks like one of ours and is none."""
    found = []
    for name in names:
        near = difflib.get_close_matches(name, [*VALUES, "mail_hosts", "audit_config_directory"], n=1, cutoff=0.7)
        if near and name not in (*VALUES, near[0]):
            found.append(f"{name} is no value of this playbook; did you mean {near[0]}?")
    return found


def answer(
    asked: Asked,
    policy: Policy,
    host: str,
    version: str,
    lines: Mapping[str, int],
    findings: Sequence[Finding] = (),
) -> Answer:
    """Simulate and explain.

    :param host: inventory name
    :param version: of Postfix, in full
    :param lines: main.cf parameter -> line
    :param findings: known mistakes of the configuration; those about the deciding rule are told
    :raises PolicyError: something is missing or wrong in what was given; the text has all of it
    """
    line = parse_log_line(asked.log) if asked.log else None
    session, said = _session(asked, line, policy)
    zone, assumed = assumed_dns(session, asked.dns, asked.listed, line.text if line else "")

    def ask(changed: Policy, other: Session) -> Verdict:
        return simulate(changed, other, zone, absent_services="dunno")

    verdict = ask(policy, session)
    advice = advise(policy, session, verdict, ask, findings)
    text = explain(Question(host, version, session, line, lines), verdict, advice, [*said, *assumed])
    return Answer(text, verdict, session)


def _session(asked: Asked, line: LogLine | None, policy: Policy) -> tuple[Session, list[str]]:
    """The session, and what was assumed to have one."""
    _check(asked, line)
    wanted = asked.service or (line.service if line and line.service else "smtp")
    service = find_service(policy, wanted)
    session = line.session(service.key) if line else Session(addr=str(asked.client), service=service.key)
    given = {
        "addr": asked.client,
        "name": asked.name,
        "reverse": asked.reverse,
        "helo": asked.helo,
        "login": asked.login,
    }
    session = replace(session, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    if asked.sender is not None:
        session = replace(session, sender=asked.sender.strip("<>"))
    if asked.recipient:
        session = replace(session, rcpts=tuple(address.strip("<>") for address in asked.recipient))
    if line is None:
        session = replace(session, data=bool(session.rcpts))
    return _completed(session, asked, line)


def _completed(session: Session, asked: Asked, line: LogLine | None) -> tuple[Session, list[str]]:
    said = []
    if line is None and asked.name is None and asked.reverse is None:
        said.append(f"{session.addr} has no name in the DNS (else say -e client_name=NAME or -e reverse=NAME).")
    if session.helo is None and (line is None or line.stage != "CONNECT"):
        greeting = session.name if session.name != "unknown" else _literal(session.addr)
        session = replace(session, helo=greeting)
        said.append(f"The client greets with {greeting}.")
    if session.sender is None and session.rcpts:
        session = replace(session, sender="")
        said.append("The sender is empty (<>), as with a bounce.")
    if line is None and not session.login:
        said.append("The client has not logged in (say -e login=NAME where it has).")
    return session, said


def _literal(addr: str) -> str:
    return f"[IPv6:{addr}]" if ":" in addr else f"[{addr}]"


def _check(asked: Asked, line: LogLine | None) -> None:
    """:raises PolicyError: with everything that is missing or wrong"""
    problems = []
    addr = asked.client or (line.addr if line else "")
    if not addr:
        problems.append(f"Say who sends: {_EXAMPLE}, or give a log line: -e \"log='...'\"")
    elif not _is_address(addr):
        problems.append(
            f"client={addr} is no IP address; write one, such as 203.0.113.7, and its name as -e client_name=..."
        )
    early = line is not None and line.stage in ("CONNECT", "HELO", "EHLO", "MAIL", "VRFY", "ETRN")
    if not asked.recipient and not early and (line is None or line.recipient is None):
        why = "the log line has none; " if line else "most rules are asked when the recipient is named; "
        problems.append(f"Say to whom: {why}add -e recipient=b@example.net")
    if problems:
        raise PolicyError("\n".join(problems))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
