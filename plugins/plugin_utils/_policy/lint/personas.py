# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the cast of personas (personas.py) finds out: who is locked out, and who gets in that should not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import reading
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind, Rule, find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial.personas import (
    ACCEPT,
    CAST,
    MX,
    SUBMISSION,
    Persona,
    Row,
    matrix,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial.relay import list_length

_MAIN = "mydestination = example.org, localhost\nmynetworks = 127.0.0.0/8\n"
_GUARD = "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination\n"
_SUBMISSION = (
    "# master.cf\nsubmission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
    "  -o smtpd_tls_security_level=encrypt\n"
)
_CLOSED = (
    "# master.cf\nsubmission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
    "  -o smtpd_tls_security_level=encrypt\n  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n"
    "  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject"
)

MYNETWORKS_TRUSTED = FindingKind(
    code="submission-trusts-networks",
    severity=Severity.STYLE,
    title="A submission service that trusts networks",
    wrong="permit_mynetworks lets programs in mynetworks send without a password, as any sender.",
    happens="A broken web form on such a host sends in the name of any user, and no log tells who it was.",
    example=_CLOSED.replace("permit_sasl_authenticated,reject", "permit_mynetworks,permit_sasl_authenticated,reject"),
    right=_CLOSED,
    source="RFC 6409 3.3",
)
INBOUND = FindingKind(
    code="inbound-mail-refused",
    severity=Severity.LOST,
    title="Mail from other servers is refused",
    wrong="A well-kept server that brings mail for one of your users is refused.",
    happens="Mail for your users does not come in: refused with 5xx it goes back to its sender, with 4xx it waits"
    " for days.",
    example=_MAIN + _GUARD + "smtpd_sender_restrictions = permit_mynetworks, check_sender_access static:REJECT",
    right=_MAIN + _GUARD + "smtpd_sender_restrictions = permit_mynetworks, check_sender_access"
    " inline:{example.net=REJECT}",
    source="SMTPD_ACCESS_README",
)
LOCKED_OUT = FindingKind(
    code="users-locked-out",
    severity=Severity.LOST,
    title="Users who logged in are refused",
    wrong="A user on the road, with a hotel's address and a mail program's HELO, is refused although logged in.",
    happens="Your users cannot send.",
    example=_MAIN + _GUARD + _SUBMISSION + "  -o smtpd_helo_restrictions=check_helo_access,static:REJECT",
    right=_MAIN + _GUARD + _SUBMISSION + "  -o smtpd_helo_restrictions=",
    source="SMTPD_ACCESS_README; SASL_README",
)
OWN_HOST = FindingKind(
    code="own-host-refused",
    severity=Severity.STYLE,
    title="Programs on this machine cannot send",
    wrong="127.0.0.1 is in mynetworks, and yet a program that sends through it is refused.",
    happens="Web mail, cron and monitoring on this machine cannot send through localhost:25.",
    example=_MAIN + "smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination",
    right=_MAIN + _GUARD.rstrip(),
    source="postconf(5) smtpd_relay_restrictions, mynetworks",
)
NO_START = FindingKind(
    code="smtpd-does-not-start",
    severity=Severity.DEFERRED,
    title="smtpd does not start",
    wrong="With this configuration smtpd ends before it serves anybody.",
    happens="No mail comes in or goes out through this service; other servers try again for days.",
    example=_MAIN + _GUARD + "inet_protocols = ipv5",
    right=_MAIN + _GUARD + "inet_protocols = all",
    source="smtpd(8); the log says why",
)
OPEN_SUBMISSION = FindingKind(
    code="submission-open-to-strangers",
    severity=Severity.IDLE,
    title="Strangers bring mail through the submission port",
    wrong="The submission service takes mail for your users from clients that have not logged in.",
    happens="What keeps spam away on port 25 (postscreen, block lists) is walked around.",
    example=_MAIN + _GUARD + _SUBMISSION.rstrip(),
    right=_MAIN + _GUARD + _SUBMISSION + "  -o smtpd_client_restrictions=permit_sasl_authenticated,reject",
    source="RFC 6409 4.3; SASL_README",
)
FORGERS = FindingKind(
    code="users-forge-users",
    severity=Severity.STYLE,
    title="Users may send with each other's addresses",
    wrong="Nothing compares the sender with the login name.",
    happens="A user, or who has stolen one password, sends in the name of any other.",
    example=_MAIN + _GUARD + _SUBMISSION + "  -o smtpd_client_restrictions=permit_sasl_authenticated,reject",
    right=_MAIN
    + _GUARD
    + "smtpd_sender_login_maps = lmdb:/etc/postfix/sender_logins\n"
    + _SUBMISSION
    + "  -o smtpd_client_restrictions=permit_sasl_authenticated,reject\n"
    + "  -o smtpd_sender_restrictions=reject_authenticated_sender_login_mismatch",
    source="postconf(5) smtpd_sender_login_maps",
)
POSTMASTER = FindingKind(
    code="postmaster-refused",
    severity=Severity.STYLE,
    title="Mail to postmaster is refused",
    wrong="Every domain that takes mail must take it for postmaster (RFC 5321 4.5.1).",
    happens="Who wants to tell you of a problem with your server cannot.",
    example=_GUARD
    + "mydestination = localhost\nvirtual_mailbox_domains = example.org\n"
    + "virtual_mailbox_maps = inline:{jane@example.org=jane/}",
    right=_GUARD
    + "mydestination = localhost\nvirtual_mailbox_domains = example.org\n"
    + "virtual_mailbox_maps = inline:{jane@example.org=jane/, postmaster@example.org=jane/}",
    source="RFC 5321 4.5.1; RFC 2142",
)

KINDS = (MYNETWORKS_TRUSTED, INBOUND, LOCKED_OUT, OWN_HOST, NO_START, OPEN_SUBMISSION, FORGERS, POSTMASTER)
CODES = frozenset(kind.code for kind in KINDS)


# Each persona walks through every list: thousands of words would take seconds, and no server has them.
_MOST_CHARACTERS = 40_000


def check(policy: Policy) -> Iterator[Finding]:
    if sum(map(len, policy.parameters.values())) > _MOST_CHARACTERS:
        return
    try:
        rows = matrix(policy, cast=_cast(policy))
    except PolicyError:
        return  # a value that cannot be read has a finding of its own
    down: set[str] = set()
    told: set[tuple[str, str, str, int | None]] = set()
    for row in rows:
        if row.stage is None and row.outcome == "down":
            if row.service not in down:
                down.add(row.service)
                yield _no_start(row)
            continue
        finding = _finding(policy, row)
        if finding is not None:
            key = (finding.code, finding.service, finding.parameter, finding.index)
            if key not in told:
                told.add(key)
                yield finding


# Nobody writes such lists by hand; what they cost must stay in proportion.
_LONG, _TOO_LONG = 200, 2000


def _cast(policy: Policy) -> Sequence[Persona]:
    longest = max((list_length(settings) for _service, settings in reading.services(policy)), default=0)
    if longest > _TOO_LONG:
        return ()
    return [persona for persona in CAST if longest <= _LONG or persona.name in {"ordinary-mail", "roaming-user"}]


def _no_start(row: Row) -> Finding:
    return find(
        NO_START,
        "",
        f"smtpd ends with: {row.verdict.reason}" if row.verdict.reason else "smtpd ends before it serves anybody",
        "Mend what the log calls fatal",
        service=row.service,
    )


def _finding(policy: Policy, row: Row) -> Finding | None:
    name = row.persona.name
    settings = policy.settings(row.service)
    auth = reading.flag(settings, "smtpd_sasl_auth_enable")
    if row.wanted is False and row.expected == ACCEPT:
        if row.purpose == SUBMISSION:
            return _refused(LOCKED_OUT, row) if auth else None
        if _loopback_only(policy, row):
            return None
        if name == "own-host":
            return _refused(OWN_HOST, row)
        if name == "postmaster" and _by_user_list(row):
            return _refused(POSTMASTER, row)
        return None if _by_user_list(row) or _by_own_entry(row) else _refused(INBOUND, row)
    if row.purpose == SUBMISSION and name == "ordinary-mail" and row.outcome == ACCEPT:
        return find(
            OPEN_SUBMISSION,
            "smtpd_recipient_restrictions",
            f"a stranger brings mail for {row.session.rcpts[0]} through {row.service}",
            "Add -o smtpd_client_restrictions=permit_sasl_authenticated,reject to the service",
            service=row.service,
        )
    if row.purpose == SUBMISSION and name == "own-host" and row.outcome == ACCEPT and auth and row.decided_by:
        return find(
            MYNETWORKS_TRUSTED,
            row.decided_by.parameter,
            f"programs in mynetworks need no password at {row.service}",
            f"Add -o {row.decided_by.parameter}=permit_sasl_authenticated,reject to the service",
            service=row.service,
            element=row.decided_by.element,
            index=row.decided_by.index,
        )
    if row.purpose == SUBMISSION and name == "forging-user" and row.outcome == ACCEPT and auth:
        return find(
            FORGERS,
            "smtpd_sender_restrictions",
            f"{row.session.login} may send as {row.session.sender}",
            "Set smtpd_sender_login_maps, and put reject_authenticated_sender_login_mismatch first in the sender list",
            service=row.service,
        )
    return None


def _by_user_list(row: Row) -> bool:
    """Refused because the address does not exist, which is no matter of lists."""
    stage = row.stage
    return stage is not None and stage.stage == "RCPT" and (stage.dsn or "").startswith(("5.1.1", "4.1.1", "5.1.10"))


def _by_own_entry(row: Row) -> bool:
    """Refused by an entry for this very recipient: somebody who shall get no mail from outside."""
    entries = tuple(f" has {address}: " for address in row.session.rcpts)
    return row.stage is not None and any(entry in step.why for step in row.stage.trail[-1:] for entry in entries)


def _loopback_only(policy: Policy, row: Row) -> bool:
    words = {word.lower() for word in reading.split(policy.settings(row.service), "inet_interfaces")}
    return bool(words) and words <= {"loopback-only", "localhost", "127.0.0.1", "[::1]", "::1"} and row.purpose == MX


def _refused(kind: FindingKind, row: Row) -> Finding:
    stage, by = row.stage, row.decided_by
    reply = f"{stage.code} {stage.dsn or ''} {stage.text}".replace("  ", " ") if stage and stage.code else "no reply"
    later = row.outcome == "defer" and kind.severity is Severity.LOST
    element = by.element if by is not None else ""
    return find(
        kind,
        by.parameter if by is not None else "",
        f"{_who(row)} gets at {row.service}: {reply}",
        _fix(kind, row, element),
        severity=Severity.DEFERRED if later else None,
        service=row.service,
        element=element,
        index=by.index if by is not None else None,
    )


def _who(row: Row) -> str:
    title = row.persona.title
    return f"{title} ({row.session.helo})" if row.session.helo and row.purpose == SUBMISSION else title


def _fix(kind: FindingKind, row: Row, element: str) -> str:
    by = row.decided_by
    if by is None:
        return "Look at what the reply says"
    if kind is LOCKED_OUT:
        return f"Add -o {by.parameter}=permit_sasl_authenticated,reject to {row.service}"
    if kind is OWN_HOST:
        return f"Put permit_mynetworks first in {by.parameter}"
    if kind is POSTMASTER:
        return f"Give {row.session.rcpts[0]} a mailbox or an alias"
    if element:
        return f"Take {element} out of {by.parameter}, or put what it is to spare before it"
    return f"Mend {by.parameter}"


def without_echo(findings: Iterable[Finding]) -> list[Finding]:
    """Findings without those of personas that another finding about the same parameter explains better."""
    found = list(findings)
    causes = [
        finding for finding in found if finding.code not in CODES and finding.severity.rank <= Severity.DEFERRED.rank
    ]
    return [
        finding
        for finding in found
        if finding.code not in CODES or not any(_explains(cause, finding) for cause in causes)
    ]


def _explains(cause: Finding, finding: Finding) -> bool:
    if finding.code not in CODES or cause.service not in {"", finding.service}:
        return False
    if finding.code == NO_START.code:
        return "not start" in cause.consequence or "stops" in cause.consequence or "dies" in cause.consequence
    if " 451 4.3." in finding.message and cause.severity is Severity.DEFERRED:
        return True  # an error of the configuration, and the cause says which
    return cause.parameter == finding.parameter


RULES: tuple[Rule, ...] = (check,)
