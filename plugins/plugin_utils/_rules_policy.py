# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rule that judges the whole access policy of Postfix as it would be written, before any host is touched.

Postfix starts with most of these mistakes, and answers every client 451, or relays for everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.postern.mail.plugins.plugin_utils import _rules_tlsrpt
from ansible_collections.postern.mail.plugins.plugin_utils._inventory import Inventory, UnknownPolicyError
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, closest, shown
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.rich import normalise
from ansible_collections.postern.mail.plugins.plugin_utils._postfix import PostfixError
from ansible_collections.postern.mail.plugins.plugin_utils._postfix_policy import (
    LIST_VARIABLES,
    Place,
    Written,
    is_ours,
    secrets_of,
)
from ansible_collections.postern.mail.plugins.plugin_utils._rules_identity import tls_profiles
from ansible_collections.postern.mail.plugins.plugin_utils._rules_postscreen import TOLD_HERE

ACCEPT = "postfix_accept_findings"
_STOPS = (Severity.RELAY, Severity.LOST, Severity.DEFERRED)


@dataclass(frozen=True)
class Told:
    """A finding, where to change it, and the platforms that have it."""

    finding: Finding
    place: Place
    platforms: tuple[str, ...]

    @property
    def code(self) -> str:
        return self.finding.code

    @property
    def element(self) -> str:
        """What names it in an exception."""
        return self.finding.element or self.finding.parameter or self.finding.service


def access_policy(inventory: Inventory) -> Iterator[Mistake]:
    """Linter and personas over main.cf, master.cf and the tables of a host."""
    if "postfix" not in inventory.features or not inventory.platforms:
        return
    if any(tls_profiles(inventory)):
        return  # told there: with a profile that is none, nothing can be written
    yield from _malformed(inventory)
    told: list[Told] = []
    judged: list[str] = []
    for platform, evaluate in inventory.platforms.items():
        try:
            found = _findings(Written.of(evaluate()), inventory)
        except UnknownPolicyError:
            return
        except (PostfixError, PolicyError) as error:
            yield _unreadable(str(error))
            return
        except Exception as error:  # a defect of ours must neither stop a run nor go unnoticed
            yield _defect(error)
            return
        judged.append(platform)
        told += [Told(finding, place, (platform,)) for finding, place in found]
        if not inventory.all_platforms and not _needs_more(told, inventory):
            break
    told = _merged(told)
    yield from _exceptions(told, inventory)
    for each in told:
        if not any(_accepts(entry, each) for _index, entry in inventory.dicts(ACCEPT)):
            yield _masked(_mistake(each, len(each.platforms) == len(judged)), secrets_of(inventory))


def _malformed(inventory: Inventory) -> Iterator[Mistake]:
    """Elements of our lists that are neither a text nor a dictionary that says a restriction."""
    for variable in LIST_VARIABLES:
        value = inventory.values.get(variable)
        for index, item in enumerate(value if isinstance(value, list) else []):
            if item is None or (isinstance(item, str) and not item.strip(" ,\t\n")):
                yield Mistake("restriction", variable, "it is empty", "Remove the empty element", f"[{index}]")
                continue
            for problem in normalise([item])[1]:
                element = f"[{index}]{problem.element.removeprefix('[0]')}"
                yield Mistake("restriction", variable, _clause(problem.reason), problem.fix, element)


def _findings(written: Written, inventory: Inventory) -> list[tuple[Finding, Place]]:
    return [
        (replace(finding, fix=written.fix(finding)), written.place(finding, inventory))
        for finding in written.findings(inventory.cache)
        if not (finding.code in TOLD_HERE and is_ours(finding.parameter, inventory))
    ]


def _masked(mistake: Mistake, secrets: Sequence[str]) -> Mistake:
    """Without the keys that roles put into parameters."""

    def masked(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "KEY")
        return text

    return replace(mistake, reason=masked(mistake.reason), fix=masked(mistake.fix), value=masked(mistake.value))


def _unreadable(text: str) -> Mistake:
    fix = "Correct it; nothing of Postfix can be written as long as it is so"
    name = text.partition(":")[0].strip()
    if text.endswith("not dict"):
        fix = "Write it as text; dictionaries are for postfix_smtp_*_restrictions and postfix_submission_*_restrictions"
    element = f".{name}" if name.replace("_", "").isalnum() else ""
    return Mistake("policy", "postfix_main_cf_extra", text.rstrip("."), fix, element)


def _defect(error: Exception) -> Mistake:
    reason = f"it could not be judged, which is a defect of this collection: {type(error).__name__}: {error}"
    consequence = "Nothing of the access policy was proved"
    return Mistake(
        "policy", "postfix_main_cf_extra", reason, "Please report it", consequence=consequence, severity="warning"
    )


def _needs_more(told: Sequence[Told], inventory: Inventory) -> bool:
    """Whether the other platforms could change what is told: something stops the run, or an exception has no use."""
    entries = [entry for _index, entry in inventory.dicts(ACCEPT)]
    open_errors = any(
        each.finding.severity in _STOPS and not any(_accepts(entry, each) for entry in entries) for each in told
    )
    unused = any(not any(_accepts(entry, each) for each in told) for entry in entries)
    return open_errors or unused


def _merged(told: Sequence[Told]) -> list[Told]:
    """The same finding of several platforms, or of several services with one cause, once; worst first."""
    platforms: dict[tuple[str, str, Place], list[str]] = {}
    first: dict[tuple[str, str, Place], Told] = {}
    for each in told:
        key = (each.code, each.finding.message, each.place)
        first.setdefault(key, each)
        platforms.setdefault(key, []).extend(each.platforms)
    merged = [replace(each, platforms=tuple(dict.fromkeys(platforms[key]))) for key, each in first.items()]
    return sorted(merged, key=lambda each: each.finding.severity.rank)


def _mistake(told: Told, everywhere: bool) -> Mistake:
    finding, place = told.finding, told.place
    grave = finding.severity in _STOPS
    stops = grave and everywhere
    reason = _clause(finding.message)
    if not everywhere:
        reason = f"on {' and '.join(told.platforms)} only: {reason}"
    if place.by:
        reason += f" (the role {place.by} adds it)"
    value = finding.element if finding.element in place.value or not place.value else place.value
    return Mistake(
        rule=finding.code,
        variable=place.variable,
        element=place.element,
        value=shown(value) if value else "",
        reason=f"{reason} [{finding.code}]",
        consequence=_clause(finding.consequence) if grave else "",
        fix=finding.fix + (_proof(finding.session) if stops and finding.session else ""),
        severity="error" if stops else "warning",
    )


def _clause(sentence: str) -> str:
    return sentence.strip().rstrip(".")


def _proof(session: Mapping[str, object]) -> str:
    """A session in one line, for those who do not believe it."""
    rcpts = session.get("rcpts") or []
    to = " ".join(f"RCPT TO:<{rcpt}>" for rcpt in rcpts if isinstance(rcpt, str)) if isinstance(rcpts, list) else ""
    helo = f", HELO {session['helo']}" if session.get("helo") else ""
    sender = session.get("sender") or ""
    return f"\nAccepted as it is: client {session.get('addr')} ({session.get('name')}){helo}, MAIL FROM:<{sender}> {to}"


def _accepts(entry: Mapping[str, object], told: Told) -> bool:
    return _words(entry.get("code")) == told.code and _words(entry.get("element")) == _words(told.element)


def _words(value: object) -> str:
    return " ".join(str(value if value is not None else "").split())


def _exceptions(told: Sequence[Told], inventory: Inventory) -> Iterator[Mistake]:
    """An exception without a reason or without a use is a mistake itself: it would hide the next one."""
    for index, entry in inventory.dicts(ACCEPT):
        code, element = _words(entry.get("code")), _words(entry.get("element"))
        if "reason" in entry and not _words(entry["reason"]):
            fix = "Write why this is right here, for those who come after you"
            yield Mistake("accept", ACCEPT, "it has no reason", fix, f"[{index}].reason")
        if not any(_accepts(entry, each) for each in told):
            reason = f"nothing is found with the code {shown(code)} and the element {shown(element)}"
            yield Mistake("accept", ACCEPT, reason, _what_there_is(code, element, told), f"[{index}]")


def _what_there_is(code: str, element: str, told: Sequence[Told]) -> str:
    if not told:
        return "Remove it: there are no findings"
    same = [each for each in told if each.code == code]
    near = closest(element, [each.element for each in same], 0.5) if same else ""
    known = [each for each in same if each.element == near] or same or list(told)
    lines = dict.fromkeys(f"{{code: {each.code}, element: {shown(each.element, 200)}}}" for each in known)
    return "\n".join(["Remove it, or write one of those there are:", *list(lines)[:12]])


RULES = (access_policy, _rules_tlsrpt.tlsrpt)
