# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions of access(5) and header_checks(5), and the argument that each of them takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._addresses import address_problem
from ansible_collections.postern.mail.plugins.plugin_utils._content.faults import Fault
from ansible_collections.postern.mail.plugins.plugin_utils._content.replies import enhanced_code, text_faults

RULE = "action-text"
REFUSING = frozenset({"REJECT", "DEFER", "DEFER_IF_PERMIT", "DEFER_IF_REJECT"})
_LOGGED = frozenset({"WARN", "INFO", "HOLD", "DISCARD", "PASS", "STRIP"})
_WITHOUT = frozenset({"OK", "DUNNO", "IGNORE"})
NOTHING_TO_TRY = frozenset({"WARN", "INFO", "DUNNO", "OK", "PASS"})
"""What refuses and changes nothing: to observe it is to leave it out."""

_FILTER = re.compile(r"[A-Za-z0-9_.-]+:\S*", re.ASCII)
_HEADER = re.compile(r"[!-9;-~]+:[ \t]*\S", re.ASCII)


def argument_faults(action: str, text: str, *, is_header: bool = True) -> Iterator[Fault]:
    """:param is_header: whether PREPEND and REPLACE write a header; in a body they write any line"""
    if action in REFUSING:
        yield from text_faults(text)
        yield from _status(action, text)
        return
    if "\n" in text.strip() or "\r" in text:
        yield Fault(RULE, ".text", f"{action} takes one line", "Write one line", text)
    elif action in _WITHOUT and text:
        yield Fault(RULE, ".text", f"nobody sees a text of {action}", "Move it to the key comment", text)
    elif action in _LOGGED:
        if not text.isascii():
            reason = "it goes to the log, which shows a ? for each byte that is not ASCII"
            yield Fault(RULE, ".text", reason, "Write it in ASCII", text, is_warning=True)
    elif action == "FILTER" and not _FILTER.fullmatch(text):
        reason = "FILTER takes transport:destination, and is skipped with anything else"
        yield Fault(RULE, ".text", reason, 'Write for example: text: "smtp:[127.0.0.1]:10025"', text)
    elif action in ("REDIRECT", "BCC"):
        yield from _address(action, text)
    elif action in ("PREPEND", "REPLACE"):
        yield from _header(action, text, is_header)


def _status(action: str, text: str) -> Iterator[Fault]:
    code = enhanced_code(text)
    right = "5" if action == "REJECT" else "4"
    if code and code[0] != right:
        reason = f"{action} answers {right}xx, and the enhanced status code {code} says something else"
        fix = f"Write: {right}{code[1:]}, or take the action that fits: {'DEFER' if right == '5' else 'REJECT'}"
        yield Fault(RULE, ".text", reason, fix, text)


def _address(action: str, text: str) -> Iterator[Fault]:
    problem = address_problem(text)
    if problem:
        reason = f"{action} takes an address with its domain: {problem.reason}"
        yield Fault(RULE, ".text", reason, problem.fix, text)


def _header(action: str, text: str, is_header: bool) -> Iterator[Fault]:
    if not text.strip():
        yield Fault(RULE, ".text", f"{action} takes the line to write, and is skipped without", "Write the line")
    elif is_header and not _HEADER.match(text):
        reason = f"{action} takes a whole header, and is skipped with anything else"
        yield Fault(RULE, ".text", reason, 'Write for example: text: "X-Checked: yes"', text)
    elif is_header and not text.isascii():
        reason = "a header is ASCII (RFC 5322 section 2.2)"
        yield Fault(RULE, ".text", reason, f"Write: {_encoded(text)}", text)


def _encoded(text: str) -> str:
    from email.header import Header

    name, __, value = text.partition(":")
    return f"{name}: {Header(value.strip(), 'utf-8', maxlinelen=900).encode()}"
