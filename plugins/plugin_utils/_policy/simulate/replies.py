# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts of SMTP replies: enhanced status codes (RFC 3463) and what smtpd does to them before it sends them.

Follows src/global/dsn_util.c, src/smtpd/smtpd_dsn_fix.c and smtpd_check_reject() of src/smtpd/smtpd_check.c.
"""

from __future__ import annotations

import re

CLIENT = "Client host"
REVERSE_CLIENT = "Unverified Client host"
CERTIFICATE = "Client certificate"
SASL_USER = "SASL login name"
HELO = "Helo command"
SENDER = "Sender address"
RECIPIENT = "Recipient address"
ETRN = "Etrn command"
DATA = "Data command"
END_OF_DATA = "End-of-data"
"""Reply classes: the noun before "rejected:"."""

SERVICE_UNAVAILABLE = "450 4.7.1 Service unavailable"
"""Takes the place of a reply whose code or enhanced code is not one."""

_DSN = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?=[\s]|$)")
_REPLY = re.compile(r"([0-9]{3})[ -](.*)", re.DOTALL)

# Last part of an address code -> code for a sender, code for a recipient.
_ADDRESS_CODES = {
    "1": ("4.1.7", "4.1.1"),
    "2": ("4.1.8", "4.1.2"),
    "3": ("4.1.7", "4.1.3"),
    "4": ("4.1.7", "4.1.4"),
    "5": ("4.1.0", "4.1.5"),
    "6": ("4.1.7", "4.1.6"),
    "7": ("4.1.7", "4.1.3"),
    "8": ("4.1.8", "4.1.2"),
}


def enhanced_code(text: str) -> str | None:
    """The enhanced status code that ``text`` starts with."""
    found = _DSN.match(text)
    return found.group() if found else None


def split_enhanced_code(default: str, text: str) -> tuple[str, str]:
    """The enhanced status code of a text that may start with one, and the text behind it."""
    text = text.lstrip()
    found = enhanced_code(text)
    if found is None:
        return default, text
    return found, text[len(found) :].lstrip()


def fit_enhanced_code(code: str, reply_class: str) -> str:
    """An address code (x.1.y) as it suits what is rejected: a recipient's code makes no sense for a HELO name."""
    if code[1:4] != ".1.":
        return code
    sender, recipient = _ADDRESS_CODES.get(code[4:], ("4.1.0", "4.1.0"))
    if reply_class == SENDER:
        return sender
    if reply_class == RECIPIENT:
        return recipient
    return "4.0.0"


def printable(text: str, *, utf8: bool = True) -> str:
    """Control characters as blanks, as smtpd sends them.

    :param utf8: smtputf8_enable; without it no octet of UTF-8 is printable
    """
    if text.isascii() and text.isprintable():
        return text
    if not utf8:
        text = text.encode("utf-8", "surrogateescape").decode("latin-1")
        return "".join(char if " " <= char <= "~" else " " for char in text)
    return "".join(" " if char < " " or char == "\x7f" else char for char in text)


def rejection(code: int, dsn: str, text: str, *, utf8: bool = True) -> str:
    """A reply line of a restriction before deferral and soft_bounce are applied."""
    if not 400 <= code <= 599 or enhanced_code(dsn) is None:
        return SERVICE_UNAVAILABLE
    return printable(f"{code} {dsn} {text}", utf8=utf8)


def same_class(reply: str) -> str:
    """The reply with the first digit of its enhanced code equal to that of its code."""
    return f"{reply[:4]}{reply[0]}{reply[5:]}"


def softened(reply: str) -> str:
    """What soft_bounce makes of a reply: no 5xx leaves smtpd."""
    if not reply.startswith("5"):
        return reply
    tail = reply[5:] if reply[4:5] == "5" else None
    return f"4{reply[1:]}" if tail is None else f"4{reply[1:4]}4{tail}"


def parts(reply: str) -> tuple[int, str | None, str]:
    """Code, enhanced code and text of a reply line."""
    found = _REPLY.match(reply)
    if found is None:
        return (int(reply[:3]) if reply[:3].isdigit() else 0), None, reply[4:]
    code, text = int(found.group(1)), found.group(2)
    dsn = enhanced_code(text)
    if dsn is None:
        return code, None, text
    return code, dsn, text[len(dsn) :].lstrip()
