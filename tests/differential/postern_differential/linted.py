# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The linter against the real smtpd: who relays is found, and whoever is found relays."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.linter import lint
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import PolicyError, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.trial.relay import witnesses

from postern_differential.cases import RELEASES, Case, complete
from postern_differential.compare import simulated
from postern_differential.real import RealSmtpd

# No generated policy counts these as its own, and no generated mynetworks holds a client elsewhere.
_FOREIGN = ("foreign@example.com", "foreign@example.net")
_OURS = ("127.", "198.51.100.", "::1")


def policy_of(case: Case, release: str) -> Policy:
    """The case's policy as the linter takes it."""
    return Policy.of(dict(case.params), version=RELEASES[release], tables=dict(case.tables), master=case.master)


def accepted(verdict: Mapping[str, Any]) -> bool:
    """Whether the first recipient got the message."""
    codes = {stage["stage"]: stage["code"] for stage in reversed(verdict["stages"])}
    return codes.get("RCPT") == 250 and codes.get("EOD") == 250


def attempt(case: Case) -> Case | None:
    """The case as a stranger's attempt to relay, None if its client is no stranger."""
    session = case.session
    if session["addr"].startswith(_OURS):
        return None
    foreign = _FOREIGN[len(session["rcpts"]) % 2]
    tried = {**session, "login": "", "rcpts": [foreign], "data": True, "vrfy": None, "etrn": None, "size": None}
    return replace(case, name=f"{case.name}, relaying", session=complete({**tried, "sender": session["sender"] or ""}))


def complete_policy(case: Case) -> bool:
    """Whether every file that the policy names is there: the linter takes others for empty, smtpd for broken."""
    text = repr(case.params)
    named = re.findall(r"\b(?:btree|cdb|cidr|hash|lmdb|pcre|regexp|texthash):/[\w/]+", text)
    return not text.count("/example") and all(name in case.tables for name in named)


def loosen(case: Case) -> Case:
    """The case with a hole of the usual kinds in front of its guard, through which its client may fit or not."""
    rng = random.Random(case.name)
    session = case.session
    domain = session["sender"].rpartition("@")[2].lower()
    keys = [
        session["addr"],
        session["name"].lower(),
        session["helo"] or "bare",
        domain,
        "example.net",
        "example.com",
        "other.test",
    ]
    key = rng.choice([key for key in keys if key and not set(key) & set("#[]{}=")])
    table = rng.choice(
        [f"inline:{{{{{key} = OK}}}}", "static:OK", f"pcre:{{{{/{key}/ OK}}}}", "hash:/etc/postfix/hole"]
    )
    hole = rng.choice(
        [
            f"check_client_access {table}",
            f"check_helo_access {table}",
            f"check_sender_access {table}",
            f"check_recipient_access {table}",
            "check_policy_service unix:private/hole",
            "permit",
            "reject_rbl_client",
            "warn_if_reject",
            "permit_mx_backup",
            "permit_auth_destination",
        ]
    )
    relay = case.params.get("smtpd_relay_restrictions", ["reject_unauth_destination"])
    params = {**case.params, "smtpd_relay_restrictions": [hole, *relay]}
    if rng.random() < 0.6:  # else another list mostly refuses him
        for name in ("client", "helo", "sender", "recipient", "data", "end_of_data"):
            params.pop(f"smtpd_{name}_restrictions", None)
    tables = {**case.tables, "hash:/etc/postfix/hole": f"{key} OK\n", "unix:private/hole": rng.choice(["OK", "DUNNO"])}
    return replace(case, name=f"{case.name}, with a hole", params=params, tables=tables)


def let_in(smtpd: RealSmtpd, case: Case, release: str) -> bool:
    """Whether the real smtpd took mail for elsewhere, and would send it on rather than throw it away."""
    if not accepted(smtpd.ask([case], fresh=True)[0]):
        return False
    return all(stage["action"] != "discard" for stage in simulated(case, release)["stages"])


def overlooked(case: Case, release: str) -> bool:
    """Whether the linter has no finding of severity relay for a policy that let a stranger relay."""
    return not any(finding.severity is Severity.RELAY for finding in lint(policy_of(case, release)))


def alarms(case: Case, release: str) -> Iterator[Case]:
    """The sessions that the linter gives as proof of an open relay, each a case that smtpd must accept."""
    policy = policy_of(case, release)
    try:
        found = witnesses(policy, str(case.session["service"]))
    except PolicyError:
        return
    for number, witness in enumerate(found, 1):
        session = {**witness.session.as_dict(), "data": True}
        yield replace(
            case,
            name=f"{case.name}, witness {number}: {witness.opening.element}",
            session=complete(session),
            dns=dict(witness.dns),
            tables={**case.tables, **witness.answers},
        )
