# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Postfix accepts as a host name, an address or an address literal (util/valid_hostname.c and friends)."""

from __future__ import annotations

import contextlib

from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import is_all_digits

LABEL_LENGTH = 63
NAME_LENGTH = 255
LITERAL_LENGTH = 46
"""Longest text between brackets that Postfix looks at, plus one."""


def is_hostname(name: str, *, wildcard: bool = False) -> bool:
    """:param wildcard: accept ``*`` as the first label, as in DNS queries"""
    if not name or not name.isascii() or len(name) > NAME_LENGTH:
        return False
    labels = name.split(".")
    letters = False
    for position, label in enumerate(labels):
        if wildcard and position == 0 and label == "*":
            letters = True
            continue
        if not label or len(label) > LABEL_LENGTH or label[0] == "-" or label[-1] == "-":
            return False
        if not all(character.isalnum() or character in "-_" for character in label):
            return False
        # An underscore counts as a letter: only digits and dots make a numeric name.
        letters = letters or not label.isdigit()
    return letters


def is_ipv4(address: str) -> bool:
    if not address.isascii():
        return False
    octets = address.split(".")
    if len(octets) != 4 or not all(octet.isdigit() for octet in octets):
        return False
    if any(int(octet) > 255 for octet in octets if len(octet) < 10) or any(
        len(octet.lstrip("0")) > 3 for octet in octets
    ):
        return False
    # 0.0.0.0 is an address, 0.1.2.3 is none.
    return int(octets[0]) != 0 or not address.strip("0.")


def is_ipv6(address: str) -> bool:
    """Postfix's own walk through the fields (valid_ipv6_hostaddr), which is stricter than inet_pton(3) in places."""
    field = null_field = length = offset = 0
    while True:
        character = address[offset : offset + 1]
        if character == "":
            return field >= 2 and not (length == 0 and null_field != field - 1)
        if character == ".":
            return 2 <= field <= 6 and is_ipv4(address[offset - length :])
        if character == ":":
            following = address[offset + 1 : offset + 2]
            if field == 0 and length == 0 and following.isascii() and following.isalnum():
                return False
            field += 1
            if field > 7:
                return False
            offset += 1
            length = 0
            if following == ":":
                if null_field > 0:
                    return False
                null_field = field
            continue
        digits = len(address) - offset - len(address[offset:].lstrip("0123456789abcdefABCDEF"))
        length = digits
        if not 0 < length <= 4:
            return False
        offset += length


def is_address(address: str) -> bool:
    """IPv4, or IPv6 without a prefix."""
    if not address:
        return False
    return is_ipv6(address) if ":" in address else is_ipv4(address)


def mail_address(text: str) -> str | None:
    """:return: the bare address of RFC 5321 form ``192.0.2.1`` or ``IPv6:2001:db8::1``; None when it is none"""
    if text[:5].lower() == "ipv6:":
        return text[5:] if is_ipv6(text[5:]) else None
    return text if is_ipv4(text) else None


def is_literal(text: str) -> bool:
    """``[address]`` of RFC 5321."""
    if not text.startswith("["):
        return False
    end = text.find("]")
    if end < 0 or end != len(text) - 1 or end - 1 >= LITERAL_LENGTH:
        return False
    return mail_address(text[1:end]) is not None


def is_port(text: str) -> bool:
    if text.startswith("0") and len(text) > 1:
        return False
    return is_all_digits(text) and len(text) <= 5 and int(text) <= 65535


def ascii_name(name: str) -> str | None:
    """:return: the name in its ``xn--`` form (util/midna_domain.c); None when it has none"""
    with contextlib.suppress(UnicodeError):
        return name.encode("idna").decode("ascii").lower()
    return None


def is_utf8_hostname(name: str, *, enabled: bool) -> bool:
    """:param enabled: smtputf8_enable"""
    if not name:
        return False
    if enabled and not name.isascii():
        converted = ascii_name(name)
        return converted is not None and is_hostname(converted)
    return is_hostname(name)
