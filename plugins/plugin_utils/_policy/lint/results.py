# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Right-hand sides of access tables: what Postfix makes of each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import ACCESS_RESULTS, lookup
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.spelling import meant
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.uses import Contents, Entry, Use, about, uses
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.view import (
    CLIENT,
    END_OF_DATA,
    ETRN,
    HELO,
    Service,
    each_service,
)
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, Kind, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SPACE
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.words import parse_list

_451_KEY = "Whoever the entry is for is answered 451 4.3.5 Server configuration error."

UNKNOWN_RESULT = FindingKind(
    code="unknown-result",
    severity=Severity.DEFERRED,
    title="A result that access tables do not have",
    wrong="The right-hand side is neither a result of access(5) nor a restriction nor a class.",
    happens=_451_KEY,
    example="smtpd_client_restrictions = permit_mynetworks, check_client_access inline:{192.0.2.1=REJCT}",
    right="smtpd_client_restrictions = permit_mynetworks, check_client_access inline:{192.0.2.1=REJECT}",
    source="access(5); src/smtpd/smtpd_check.c: check_table_result",
)
COMMENT_IN_RESULT = FindingKind(
    code="comment-in-result",
    severity=Severity.DEFERRED,
    title="A comment behind a result",
    wrong="Tables know comments only on lines of their own. A # behind a restriction is one more restriction.",
    happens=_451_KEY,
    example="smtpd_client_restrictions = permit_mynetworks,"
    " check_client_access inline:{{192.0.2.1 = permit_auth_destination # partner}}",
    right="smtpd_client_restrictions = permit_mynetworks,"
    " check_client_access inline:{{192.0.2.1 = permit_auth_destination}}",
    source="access(5); postmap(1), table format",
)
COMMENT_IN_TEXT = FindingKind(
    code="comment-in-reply",
    severity=Severity.STYLE,
    title="A comment that clients can read",
    wrong="What stands behind REJECT, or a reply code, is the text of the reply; # begins no comment there.",
    happens="The comment is sent to the client and logged.",
    example="smtpd_client_restrictions = permit_mynetworks,"
    " check_client_access inline:{{192.0.2.1 = REJECT # the nuisance from last week}}",
    right="smtpd_client_restrictions = permit_mynetworks, check_client_access inline:{192.0.2.1=REJECT}",
    source="access(5)",
)
TABLE_IN_RESULT = FindingKind(
    code="table-in-result",
    severity=Severity.DEFERRED,
    title="A table or policy service in a table's result",
    wrong="Tables have to be opened when smtpd starts, so no result may name one. A restriction class may.",
    happens=_451_KEY,
    example="smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_recipient_access inline:{{example.org = check_policy_service unix:private/policy}}",
    right="smtpd_restriction_classes = greylist\n"
    "greylist = check_policy_service { unix:private/policy, default_action=DUNNO }\n"
    "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,"
    " check_recipient_access inline:{example.org=greylist}",
    source="RESTRICTION_CLASS_README; src/smtpd/smtpd_check.c: check_table_result",
)
CODE_WITHOUT_TEXT = FindingKind(
    code="code-without-text",
    severity=Severity.IDLE,
    title="A reply code without a text permits",
    wrong="A result of digits only means OK, whatever the number. A reply code needs a text behind it.",
    happens="Whoever the entry was to refuse is permitted, and skips the rest of the list.",
    example="smtpd_client_restrictions = permit_mynetworks, check_client_access inline:{192.0.2.1=554}",
    right="smtpd_client_restrictions = permit_mynetworks,"
    " check_client_access inline:{{192.0.2.1 = 554 5.7.1 Access denied}}",
    source="access(5): all-numerical",
)
RESULT_WITHOUT_VALUE = FindingKind(
    code="result-without-value",
    severity=Severity.IDLE,
    title="FILTER, REDIRECT, BCC or PREPEND without what it needs",
    wrong="FILTER wants transport:destination behind it, REDIRECT and BCC an address, PREPEND a header.",
    happens="Postfix logs a warning and goes on as if the entry were not there.",
    example="smtpd_sender_restrictions = check_sender_access inline:{{example.com = FILTER smtp-amavis}}",
    right="smtpd_sender_restrictions ="
    " check_sender_access inline:{{example.com = FILTER smtp-amavis:[127.0.0.1]:10024}}",
    source="access(5)",
)
RESULT_TOO_EARLY = FindingKind(
    code="result-too-early",
    severity=Severity.IDLE,
    title="A result about a message that is not there",
    wrong="FILTER, HOLD, DISCARD, REDIRECT, BCC and PREPEND act on a message; there is none yet, or it is too late.",
    happens="Postfix logs a warning and goes on as if the entry were not there.",
    example="smtpd_delay_reject = no\n"
    "smtpd_client_restrictions = permit_mynetworks, check_client_access inline:{192.0.2.1=HOLD}",
    right="smtpd_sender_restrictions = permit_mynetworks, check_client_access inline:{192.0.2.1=HOLD}",
    source="access(5); src/smtpd/smtpd_check.c: can_delegate_action",
)
ALLOW_FORBIDDEN = FindingKind(
    code="ok-forbidden",
    severity=Severity.DEFERRED,
    title="OK for a name that its owner chooses freely",
    wrong="Whose servers, addresses or unverified name somebody has is up to them, so Postfix does not allow OK in the"
    " tables of check_*_a_access, check_*_mx_access, check_*_ns_access and check_reverse_client_hostname_access.",
    happens=_451_KEY,
    example="smtpd_sender_restrictions = permit_mynetworks, check_sender_mx_access inline:{mx.example.com=OK}",
    right="smtpd_sender_restrictions = permit_mynetworks, check_sender_mx_access inline:{mx.example.com=DUNNO}",
    source="postconf(5): check_sender_mx_access; src/smtpd/smtpd_check.c: forbid_allowlist",
)
CODE_IN_TEXT = FindingKind(
    code="code-behind-reject",
    severity=Severity.STYLE,
    title="A reply code behind REJECT or DEFER",
    wrong="REJECT and DEFER bring their own code; another one behind them is part of the text.",
    happens="The client is sent 554 5.7.1 with the number in the text.",
    example="smtpd_client_restrictions = permit_mynetworks,"
    " check_client_access inline:{{192.0.2.1 = REJECT 550 Access denied}}",
    right="smtpd_client_restrictions = permit_mynetworks,"
    " check_client_access inline:{{192.0.2.1 = 550 5.7.1 Access denied}}",
    source="access(5): REJECT optional text...",
)

KINDS = (
    UNKNOWN_RESULT,
    COMMENT_IN_RESULT,
    COMMENT_IN_TEXT,
    TABLE_IN_RESULT,
    CODE_WITHOUT_TEXT,
    RESULT_WITHOUT_VALUE,
    RESULT_TOO_EARLY,
    ALLOW_FORBIDDEN,
    CODE_IN_TEXT,
)

# What other programs call it, or people think it is called.
_MEANT = {
    "accept": "OK",
    "allow": "OK",
    "allowed": "OK",
    "pass": "DUNNO",
    "yes": "OK",
    "true": "OK",
    "white": "OK",
    "whitelist": "OK",
    "whitelisted": "OK",
    "permitted": "OK",
    "ignore": "DUNNO",
    "skip": "DUNNO",
    "continue": "DUNNO",
    "none": "DUNNO",
    "deny": "REJECT",
    "denied": "REJECT",
    "block": "REJECT",
    "blocked": "REJECT",
    "drop": "REJECT",
    "refuse": "REJECT",
    "black": "REJECT",
    "blacklist": "REJECT",
    "blacklisted": "REJECT",
    "spam": "REJECT",
    "ban": "REJECT",
    "no": "REJECT",
    "false": "REJECT",
    "error": "REJECT",
    "bounce": "REJECT",
    "rejected": "REJECT",
    "quarantine": "HOLD",
    "delay": "DEFER",
    "tempfail": "DEFER",
    "delete": "DISCARD",
    "replace": "PREPEND",
    "greylist": "check_policy_service in a class",
}
_PERMITS = frozenset({"OK", "RELAY"})
_MESSAGE = frozenset({"FILTER", "HOLD", "DISCARD", "REDIRECT", "BCC", "PREPEND"})
_TEXTS = frozenset({"REJECT", "DEFER", "DEFER_IF_PERMIT", "DEFER_IF_REJECT", "WARN", "INFO", "HOLD", "DISCARD"})
_CODE = re.compile(r"[45][0-9][0-9]")
_HEADER = re.compile(r"[!-9;-~]+[ \t]*:")
# Each finding names its key; more of a kind in one table say nothing new.
_MOST = 5
_ENOUGH = 100


@dataclass(frozen=True, slots=True)
class _Result:
    """A right-hand side, cut as check_table_result does.

    :param word: first word, in capitals
    :param text: the rest
    """

    whole: str
    word: str
    text: str

    @classmethod
    def of(cls, value: str) -> _Result:
        end = next((at for at, char in enumerate(value) if char in " \t"), len(value))
        return cls(value, value[:end].upper(), value[end:].lstrip(SPACE))


def permits(value: str) -> bool:
    """Whether a right-hand side is a plain OK."""
    result = _Result.of(value)
    return result.word in _PERMITS or result.whole.lower() == "permit" or result.whole.isdigit()


def _results(service: Service) -> Iterator[Finding]:
    contents = Contents(service)
    for use in uses(service):
        counts: dict[str, int] = {}
        for entry in contents.entries(use):
            if sum(counts.values()) > _ENOUGH:
                break
            for kind, message, fix, severity in _judge(service, use, entry):
                counts[kind.code] = counts.get(kind.code, 0) + 1
                if counts[kind.code] <= _MOST:
                    yield about(service, use, entry, kind, message, fix, severity=severity)


_Judgement = tuple[FindingKind, str, str, Severity | None]


def _judge(service: Service, use: Use, entry: Entry) -> Iterator[_Judgement]:
    result = _Result.of(entry.result)
    subject = f"For {entry.key}" if entry.key else f"In {use.reference}"
    entry_check = lookup(use.check)
    if entry_check is not None and entry_check.ok_forbidden and (permits(entry.result) or result.word == "DISCARD"):
        fix = "DUNNO" if not _CODE.fullmatch(entry.result) else f"{entry.result} Access denied"
        message = f"{subject} {use.check} may not answer {entry.result.split()[0]}: Postfix answers 451 instead."
        yield ALLOW_FORBIDDEN, message, f"{entry.key} {fix}".strip(), None
        return
    if result.word in ACCESS_RESULTS:
        yield from _known_result(service, use, entry, result)
    elif entry.result.isascii() and entry.result.isdigit():
        if _CODE.fullmatch(entry.result):
            message = f"{subject} the result {entry.result} has no text, so it permits instead of refusing."
            yield CODE_WITHOUT_TEXT, message, f"{entry.key} {entry.result} Access denied".strip(), None
    elif _CODE.fullmatch(result.word) and result.text:
        if "#" in result.text:
            yield _comment(entry, result)
    elif entry.result:
        yield from _restrictions(service, entry, subject)


def _comment(entry: Entry, result: _Result) -> _Judgement:
    message = f"The reply for {entry.key} holds its comment: {result.text}."
    fix = f"{entry.key} {entry.result.partition('#')[0].strip()}".strip()
    return COMMENT_IN_TEXT, message, fix, None


def _known_result(service: Service, use: Use, entry: Entry, result: _Result) -> Iterator[_Judgement]:
    if result.word in _MESSAGE and (where := _too_early(service, use, result.word)):
        message = f"{result.word} for {entry.key} is skipped: {where}."
        yield RESULT_TOO_EARLY, message, "use the table in smtpd_sender_restrictions or a later list", None
    needs = _missing(result)
    if needs:
        message = f"{result.word} for {entry.key} needs {needs} behind it, and is skipped without."
        yield RESULT_WITHOUT_VALUE, message, f"{entry.key} {result.word} {_example(result.word)}".strip(), None
    if result.word in _TEXTS and re.search(r"(?:^|\s)#", result.text) and result.word != "DISCARD":
        yield _comment(entry, result)
    code = re.match(r"([245][0-9][0-9])\b", result.text)
    if result.word in {"REJECT", "DEFER"} and code:
        temporary = result.word == "REJECT" and code.group(1).startswith("4")
        message = f"{result.word} for {entry.key} sends its own code; {code.group(1)} is only part of the text."
        fix = f"{entry.key} {result.text}".strip()
        yield CODE_IN_TEXT, message, fix, Severity.LOST if temporary else None


def _too_early(service: Service, use: Use, word: str) -> str:
    if use.list_name in (CLIENT, HELO) and not service.delayed:
        return f"with smtpd_delay_reject = no there is no message when {use.list_name} is asked"
    if use.list_name == ETRN and word != "PREPEND":
        return "ETRN has no message"
    if use.list_name == END_OF_DATA and word == "PREPEND":
        return "the message has already been received"
    if word != "PREPEND" and service.text("smtpd_proxy_filter").strip():
        return "smtpd_proxy_filter is in use"
    return ""


def _missing(result: _Result) -> str:
    if result.word == "FILTER" and ":" not in result.text:
        return "transport:destination"
    if result.word in {"REDIRECT", "BCC"} and "@" not in result.text:
        return "an address with @"
    if result.word == "PREPEND" and not _HEADER.match(result.text):
        return "a header (Name: text)"
    return ""


def _example(word: str) -> str:
    return {"FILTER": "smtp:[127.0.0.1]:10025", "PREPEND": "X-Note: text"}.get(word, "user@example.org")


def _restrictions(service: Service, entry: Entry, subject: str) -> Iterator[_Judgement]:
    """Any other result is a restriction list of its own."""
    head = entry.result.split()[0]
    if ":" in entry.result:
        bare = head.rstrip(":")
        if head.endswith(":") and bare.upper() in ACCESS_RESULTS:
            message = f"{subject} the result {head} is unknown to Postfix because of the colon."
            yield UNKNOWN_RESULT, message, f"{entry.key} {entry.result.replace(head, bare, 1)}".strip(), None
            return
        message = f"{subject} the result names a table or service, which results may not do."
        fix = f"{entry.key} my_class, with smtpd_restriction_classes = my_class and my_class = {entry.result}".strip()
        yield TABLE_IN_RESULT, message, fix, None
        return
    for element in parse_list(entry.result, frozenset(service.classes)):
        word = element.name
        if word.startswith("#"):
            fix = f"{entry.key} {entry.result.partition('#')[0].strip()}".strip()
            yield COMMENT_IN_RESULT, f"{subject} Postfix takes # and what follows for restrictions.", fix, None
            return
        if element.kind is Kind.UNKNOWN:
            yield _unknown(entry, subject, word)
            return
        if (
            element.kind is Kind.RESTRICTION
            and (known := lookup(word))
            and known.takes_argument
            and not element.argument
        ):
            message = f"{subject} {word} lacks its argument."
            yield UNKNOWN_RESULT, message, f"{entry.key} {word} ...", None
            return


def _unknown(entry: Entry, subject: str, word: str) -> _Judgement:
    if "@" in word:
        message = f"{subject} the result is an address, {word}; this looks like a table of aliases."
        return UNKNOWN_RESULT, message, f"{entry.key} OK".strip(), None
    if re.fullmatch(r"[45]\.\d{1,3}\.\d{1,3}", word):
        message = f"{subject} the result lacks REJECT, or a reply code, before the enhanced code {word}."
        return UNKNOWN_RESULT, message, f"{entry.key} REJECT {entry.result}".strip(), None
    if word[0] in "\"'":
        message = f"{subject} the quotes are part of the result, which Postfix therefore does not know."
        return UNKNOWN_RESULT, message, f"{entry.key} {entry.result.strip(word[0])}".strip(), None
    bare = word.lower().strip(".,;:!\"'")
    hint = _MEANT.get(bare, "")
    if not hint and len(bare) < 60:
        close = difflib.get_close_matches(bare.upper(), ACCESS_RESULTS, 1, 0.7)
        hint = close[0] if close else (bare.upper() if bare.upper() in ACCESS_RESULTS else meant(bare))
    suffix = f"; probably {hint} is meant" if hint else ""
    message = f"{subject} the result {word} is unknown to Postfix{suffix}."
    fix = f"{entry.key} {hint or 'REJECT (or OK, or DUNNO)'}".strip()
    return UNKNOWN_RESULT, message, fix, None


RULES = (each_service(_results),)
