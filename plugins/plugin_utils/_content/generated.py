# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules whose patterns are made for them: phrases in headers, and names of attachments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._content.actions import NOTHING_TO_TRY, argument_faults
from ansible_collections.postern.mail.plugins.plugin_utils._content.faults import Fault
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.attachments import compile_attachments
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.rules import (
    PhraseError,
    compile_rule,
    compile_rules,
)
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.shape import attachment_shape, phrase_shape

PHRASES, ATTACHMENTS = "postfix_header_phrases", "postfix_attachment_names"


def lines(
    phrases: Sequence[Mapping[str, Any]], charsets: Sequence[str], attachments: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The lines of both, as their filters make them. A template asks often, and a long list of names takes its time.

    :raises PhraseError: a rule cannot be compiled
    """
    return list(_lines(json.dumps([phrases, charsets, attachments])))


@lru_cache(maxsize=8)
def _lines(rules: str) -> tuple[dict[str, Any], ...]:
    phrases, charsets, attachments = json.loads(rules)
    return (*compile_rules(phrases, charsets or None), *compile_attachments(attachments))


def refused(
    phrases: Sequence[Mapping[str, Any]], charsets: Sequence[str], attachments: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What is wrong with them, for those who use the role without the validation."""
    told = [(PHRASES, place, fault) for place, rule in enumerate(phrases) for fault in wrong_phrase(rule, charsets)]
    told += [(ATTACHMENTS, place, fault) for place, rule in enumerate(attachments) for fault in wrong_attachment(rule)]
    return [f"{variable}[{place}]{fault}" for variable, place, fault in told]


def wrong_phrase(rule: Mapping[str, Any], charsets: Sequence[str]) -> list[Fault]:
    return [fault for fault in (*phrase_shape(rule), *phrase_faults(rule, charsets)) if not fault.is_warning]


def wrong_attachment(rule: Mapping[str, Any]) -> list[Fault]:
    return [fault for fault in (*attachment_shape(rule), *attachment_faults(rule)) if not fault.is_warning]


def action_faults(rule: Mapping[str, Any]) -> Iterator[Fault]:
    action = str(rule.get("action") or "REJECT")
    yield from argument_faults(action, str(rule.get("text") or ""))
    if rule.get("observe") and action in NOTHING_TO_TRY:
        yield Fault("observe", ".observe", f"{action} changes nothing, so there is nothing to try", "Remove it")


def phrase_faults(rule: Mapping[str, Any], charsets: Sequence[str]) -> Iterator[Fault]:
    """:param charsets: for rules that name none"""
    yield from action_faults(rule)
    phrase = rule.get("phrase")
    if not isinstance(phrase, str):
        return
    if not phrase.strip():
        yield Fault("phrase", ".phrase", "it is empty, and would be found everywhere", "Write what to look for")
        return
    try:
        compiled = compile_rule(rule, charsets or None)
    except PhraseError as error:
        yield Fault("phrase", ".phrase", str(error), "Correct the phrase, or its charsets", phrase)
        return
    for skipped in compiled.skipped:
        # A charset that was named for this phrase was meant to write it.
        named = bool(rule.get("charsets"))
        reason = f"{skipped.charset} has no {skipped.missing}, so {skipped.phrase} is not looked for in it"
        fix = f"Leave {skipped.charset} out of the charsets of this rule"
        yield Fault("phrase-charset", ".charsets" if named else ".phrase", reason, fix, skipped.phrase, not named)


def attachment_faults(rule: Mapping[str, Any]) -> Iterator[Fault]:
    yield from action_faults(rule)
    try:
        made = lines([], [], [rule])
    except PhraseError as error:
        yield Fault("attachment-name", "", str(error), "Correct the names or extensions")
        return
    if not made:
        yield Fault("attachment-name", "", "it has neither extensions nor names", "Write: extensions: [dangerous]")
