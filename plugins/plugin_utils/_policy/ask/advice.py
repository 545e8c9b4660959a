# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What could be changed so that a refused session is served; each change is tried in the simulator first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.explain import decisive, place, reply
from ansible_collections.postern.mail.plugins.plugin_utils._policy.judgement import advice as sentence
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import (
    Decision,
    Finding,
    PolicyError,
    Session,
    Severity,
    Stage,
    Verdict,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy

Simulate = Callable[[Policy, Session], Verdict]
_EXEMPT = {
    "smtpd_client_restrictions": ("check_client_access", "client"),
    "smtpd_helo_restrictions": ("check_client_access", "client"),
    "smtpd_sender_restrictions": ("check_client_access", "client"),
    "smtpd_recipient_restrictions": ("check_client_access", "client"),
}
_BROKEN = ("Server configuration error", "Temporary lookup failure")


@dataclass(frozen=True, slots=True)
class Change:
    """:param words: what to do, as a whole sentence"""

    words: str
    policy: Policy
    session: Session


def advise(
    policy: Policy, session: Session, verdict: Verdict, simulate: Simulate, findings: Sequence[Finding] = ()
) -> list[str]:
    """Sentences about what could be changed; empty when the session is served.

    :param findings: of the linter; those about the deciding rule are told
    """
    stage = decisive(verdict)
    if verdict.fatal:
        return [f"smtpd does not start: {verdict.reason}. Mend that first; the audit playbook says how."]
    if stage is None or stage.action == "permit" or stage.decided_by is None:
        return []
    told = list(_meaning(stage, stage.decided_by, session))
    known = [finding for finding in findings if _about(finding, stage.decided_by, session)]
    told += [f"A known mistake: {finding.message} {sentence(finding)}" for finding in known]
    if known and stage.text.endswith(_BROKEN):
        return told
    for change in _changes(policy, session, stage.decided_by):
        effect = _effect(change, stage, simulate)
        if effect:
            told.append(f"{change.words} {effect}")
    return told


def _about(finding: Finding, decision: Decision, session: Session) -> bool:
    """Whether a finding is about the rule that decided, and more than untidy."""
    if finding.severity is Severity.STYLE or finding.service not in ("", session.service):
        return False
    if finding.parameter == decision.parameter:
        return finding.index == decision.index
    words = decision.element.split()
    return finding.parameter in words or (finding.parameter == "mynetworks" and "permit_mynetworks" in words)


def _effect(change: Change, stage: Stage, simulate: Simulate) -> str:
    """What a change leads to; empty when it helps nothing."""
    try:
        after = decisive(simulate(change.policy, change.session))
    except PolicyError:
        return ""
    if after is None or (after.decided_by == stage.decided_by and after.action == stage.action):
        return ""
    if after.action == "permit":
        return "(Tried in the simulation: it is then accepted.)"
    if after.decided_by is None or (after.code, after.text) == (stage.code, stage.text):
        return ""
    return f"(Tried in the simulation: then {place(after.decided_by)} decides: {reply(after)})"


def _changes(policy: Policy, session: Session, decision: Decision) -> Iterator[Change]:
    """Changes that are sound for the one who asks, most wanted first."""
    list_name = decision.parameter
    if not list_name.endswith("_restrictions"):
        return
    if session.login:
        yield from _for_users(policy, session, decision)
    elif session.service.startswith(("submission", "smtps", "587", "465")):
        logged_in = replace(session, login="user")
        yield Change(
            "The client must log in on this port: its mail program has no password, or a wrong one.",
            policy,
            logged_in,
        )
    if list_name in _EXEMPT and not session.login and decision.index is not None and _exemptible(decision):
        word, what = _EXEMPT[list_name]
        exempt = f"{word} inline:{{{session.addr}=OK}}"
        yield Change(
            f"To exempt this {what}: {word} before {place(decision)}, with a table that has {session.addr} OK.",
            _inserted(policy, session.service, list_name, decision.index, exempt),
            session,
        )


def _for_users(policy: Policy, session: Session, decision: Decision) -> Iterator[Change]:
    service = policy.service(session.service)
    if decision.index is not None:
        yield Change(
            f"Put permit_sasl_authenticated before {place(decision)}: whoever has logged in is then not judged by it.",
            _inserted(policy, session.service, decision.parameter, decision.index, "permit_sasl_authenticated"),
            session,
        )
    if service.type == "inet" and service.name not in ("smtp", "25"):
        own = "permit_sasl_authenticated, reject"
        yield Change(
            f"Or give {service.key} a list of its own in master.cf, since this one is meant for other servers: "
            f"-o {decision.parameter}=permit_sasl_authenticated,reject",
            _with_value(policy, session.service, decision.parameter, own),
            session,
        )


def _exemptible(decision: Decision) -> bool:
    """Whether an exemption is what one wants: not from what protects against relaying."""
    word = decision.element.split(" ")[0]
    return word not in ("reject_unauth_destination", "defer_unauth_destination", "reject_unlisted_recipient", "reject")


def _inserted(policy: Policy, service: str, parameter: str, index: int, element: str) -> Policy:
    elements = [str(each) for each in policy.settings(service).elements(parameter)]
    elements.insert(index, element)
    return _with_value(policy, service, parameter, ", ".join(elements))


def _with_value(policy: Policy, service: str, parameter: str, value: str) -> Policy:
    """The policy with another value for one service."""
    chosen = policy.service(service)
    changed = replace(chosen, overrides={**chosen.overrides, parameter: value})
    services = tuple(changed if each is chosen else each for each in policy.services)
    return Policy(policy.version, policy.parameters, services, policy.tables)


def _meaning(stage: Stage, decision: Decision, session: Session) -> Iterator[str]:
    """What the reason is about, and whose matter it is."""
    word = decision.element.removeprefix("warn_if_reject ").split(" ")[0].lower()
    text = stage.text
    addr = session.addr
    if "Server configuration error" in text:
        yield f"This is a mistake in the configuration at {place(decision)}, not a fault of the client. Run the audit."
    elif "Temporary lookup failure" in text:
        yield f"A table or list that {place(decision)} asks cannot be read. Run the audit."
    elif word in ("reject_unknown_client_hostname", "reject_unknown_reverse_client_hostname", "reject_unknown_client"):
        if session.login:
            yield (
                "This rule is meant for other servers. Nobody can ask of people in hotels and trains that the provider "
                "there keeps the DNS in order."
            )
        else:
            yield f"Whoever runs {addr} can give it a name in the DNS that leads back to the address."
    elif word in ("reject_unauth_destination", "defer_unauth_destination"):
        yield (
            "A stranger may not send through this server to elsewhere; that is as it should be. If the client is "
            "one of your users, it must log in (port 587 or 465). If the recipient's domain is yours, it must be in "
            "mydestination, virtual_mailbox_domains or relay_domains."
        )
    elif "blocked using" in text:
        yield f"{addr} is on a block list. Its owner asks the list to take it off; you can exempt whom you know."
    elif "login_mismatch" in word:
        yield (
            f"{session.login or 'Somebody who has not logged in'} may not send as {session.sender}. If it may, add the "
            "address and the login to the table in smtpd_sender_login_maps."
        )
    elif "User unknown" in text or decision.parameter == "smtpd_reject_unlisted_recipient":
        yield "This server has no such mailbox. If it should, make it; else the refusal is right."
    elif word.startswith("check_") or ":" in word:
        yield f"The table of {place(decision)} says so; the trail shows its entry."
    elif word in ("reject", "defer"):
        yield "Only what a rule before this one permits may pass: users who have logged in, or your own machines."
