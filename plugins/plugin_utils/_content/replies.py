# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a refused client is told, in any language and in any number of lines.

A reply is ASCII (RFC 5321 section 4.2), and smtpd makes a blank of every other byte unless it speaks SMTPUTF8
(smtpd/smtpd_check.c: smtpd_check_reject; smtpd/smtpd.c: printable). What smtpd_reject_footer_maps adds is sent as it
is. A text in another language therefore becomes two parts: a line of ASCII that ends with the rule's name, and lines
that the footer table has for that name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.postern.mail.plugins.plugin_utils._content.faults import Fault

LONGEST = 450
"""Octets of one line: a reply line has 512, its code and the client's name included (RFC 5321 section 4.5.3.1.5)."""
REFUSED = "Refused by the policy of this server"

_DSN = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)", re.ASCII)


@dataclass(frozen=True)
class Reply:
    """:param first: what the table says: ASCII, with the enhanced status code if one was given
    :param more: lines that follow it
    """

    first: str
    more: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str, name: str) -> Reply:
        """:param name: the rule's own, which no other reply ends with"""
        lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
        if len(lines) < 2 and text.isascii():
            return cls("".join(lines))
        code = enhanced_code(lines[0])
        lines[0] = lines[0].removeprefix(code).strip()
        first = lines.pop(0) if lines[0].isascii() and lines[0] else REFUSED
        return cls(f"{code} {first} ({name})".strip(), tuple(line for line in lines if line))


def enhanced_code(text: str) -> str:
    """``5.7.1`` at the beginning of a text, or nothing."""
    found = _DSN.match(text.lstrip())
    return found[1] if found else ""


def footer_line(name: str, reply: Reply) -> str:
    """A line for smtpd_reject_footer_maps; empty where the reply is one line."""
    if not reply.more:
        return ""
    # Two readers take a $ for theirs: the table, and smtpd's own expansion (smtpd_chat.c).
    text = "\\n".join(line.replace("$$", "$").replace("$", "$$$$") for line in reply.more)
    return f"/ \\({re.escape(name)}\\)$/ {text}"


def text_faults(text: str) -> list[Fault]:
    """Of a text that clients are told."""
    faults = []
    if any(char not in "\n\t" and not char.isprintable() for char in text):
        faults.append(Fault("reply-text", ".text", "it has a control character", "Write plain text", text))
    for line in text.splitlines():
        if len(line.encode()) > LONGEST:
            reason = f"a line has {len(line.encode())} octets, and a reply line no more than {LONGEST}"
            faults.append(Fault("reply-text", ".text", reason, "Break it into several lines (|)", line[:40]))
    if re.match(r"[245]\d\d\b", text.strip(), re.ASCII):
        reason = "it begins with a reply code, which the client would read as part of the text"
        fix = f"Begin with the text, or with an enhanced code: 5.7.1 {text.strip()[3:].strip()}"
        faults.append(Fault("reply-text", ".text", reason, fix, text))
    return faults
