# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and addresses: what may stand in an inventory, and their one canonical form."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple


class Problem(NamedTuple):
    """Why a text is not acceptable, and what to write instead."""

    reason: str
    fix: str


_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# RFC 5321 section 4.1.2, Dot-string: atoms joined by dots.
_DOT_STRING = re.compile(r"[A-Za-z0-9#$&'*+\-/=?^_`{|}~%!]+(\.[A-Za-z0-9#$&'*+\-/=?^_`{|}~%!]+)*", re.ASCII)
# What Dovecot lets into a user name (auth_username_chars); it is a directory name, too.
_MAILBOX = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
# Routes to Postfix (allow_percent_hack, swap_bangpath), and files and commands in aliases(5).
_ROUTING = re.compile(r"[%!/|`]")


def canonical_domain(domain: str) -> str:
    """Lower case, no trailing dot."""
    return domain.strip().lower().removesuffix(".")


def canonical_address(address: str) -> str:
    """Lower case in both parts: this server does not tell Bob from bob (RFC 5321 section 2.4 advises against it)."""
    local, at, domain = address.strip().rpartition("@")
    return f"{local.lower()}{at}{canonical_domain(domain)}"


def domain_of(address: str) -> str:
    return canonical_domain(address.rpartition("@")[2])


def without_extension(address: str, delimiter: str) -> str:
    """``bob+lists@example.org`` -> ``bob@example.org``.

    :param delimiter: each of its characters starts an extension, as in Postfix's recipient_delimiter; empty: none does
    """
    local, _at, domain = address.rpartition("@")
    cuts = [position for position in (local.find(char, 1) for char in delimiter) if position > 0]
    return f"{local[: min(cuts)]}@{domain}" if cuts else address


def is_delimiter(text: str) -> bool:
    """Whether each character may begin an extension; none does in an empty text."""
    return text.isascii() and not re.search(r"[A-Za-z0-9@\s\"%!/|\\<>,]", text)


def a_label(domain: str) -> str:
    """The ASCII form (``xn--``) of an internationalised domain, or an empty string where it is not certain."""
    try:
        encoded = domain.encode("idna").decode("ascii")
        return encoded if encoded.encode("ascii").decode("idna") == domain.lower() else ""
    except UnicodeError:
        return ""


def domain_problem(domain: str) -> Problem | None:
    """What is wrong with a mail domain or host name (RFC 1123 section 2.1, at least two labels)."""
    name = domain.lower()
    if not name.strip():
        return Problem("it is empty", "Write a domain such as example.org")
    if name != name.strip() or re.search(r"\s", name):
        return Problem("it contains white space", f"Write: {''.join(domain.split())}")
    if "@" in name:
        return Problem("it is an address, not a domain", f"Write: {canonical_domain(name.rpartition('@')[2])}")
    if "://" in name or "/" in name:
        return Problem("it is a URL, not a domain", "Write only the name between the slashes")
    if not name.isascii():
        ascii_form = a_label(name)
        fix = f"Write: {ascii_form}" if ascii_form else "Write its ASCII form (xn--...), your registrar shows it"
        return Problem("it is an internationalised name, and on the wire only its ASCII form is used", fix)
    if name.endswith("."):
        return Problem("the dot at the end belongs to zone files, not here", f"Write: {canonical_domain(domain)}")
    if is_ip_address(name):
        return Problem("it is an IP address, not a name", "Write the name that points to this address")
    if len(name) > 253:
        return Problem(f"it has {len(name)} characters, and DNS allows 253", "Write a shorter name")
    return _labels_problem(name)


def _labels_problem(name: str) -> Problem | None:
    labels = name.split(".")
    for label in labels:
        if not label:
            return Problem(
                "there are two dots in a row or one at the start", f"Write: {'.'.join(filter(None, labels))}"
            )
        if len(label) > 63:
            return Problem(
                f'its part "{label[:20]}..." has {len(label)} characters, and DNS allows 63', "Write a shorter name"
            )
        if not _LABEL.fullmatch(label):
            why = "letters, digits and hyphens are allowed, no hyphen first or last (RFC 1123)"
            fixed = label.replace("_", "-").strip("-")
            fix = (
                f"Write: {name.replace(label, fixed)}"
                if _LABEL.fullmatch(fixed)
                else "Write a name of those characters"
            )
            return Problem(f'its part "{label}" is not a host name: {why}', fix)
    if len(labels) < 2:
        return Problem("it has no dot: a full name is needed", f"Write for example: {name}.example.org")
    if labels[-1].isdigit():
        return Problem(f'it ends in a number, and no top-level domain is called "{labels[-1]}"', "Write the full name")
    return None


def is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]").removeprefix("ipv6:"))
    except ValueError:
        return False
    return True


def hostname_problem(hostname: str) -> Problem | None:
    """What is wrong with the server's own name, which it says in HELO (RFC 5321 section 4.1.1.1)."""
    name = hostname.lower()
    if name in ("localhost", "localhost.localdomain") or name.endswith((".localhost", ".localdomain")):
        return Problem(
            "other servers refuse a machine that calls itself so", "Write the public name, such as mx1.example.org"
        )
    if is_ip_address(name):
        return Problem(
            "it is an IP address, not a name", "Write the name that this address has in DNS, such as mx1.example.org"
        )
    if name and "." not in name:
        return Problem(
            "it is not a fully qualified name: other servers refuse a HELO without a domain",
            f"Write for example: {name}.example.org",
        )
    return domain_problem(hostname)


def address_problem(address: str) -> Problem | None:
    """What is wrong with an address anybody could have, here or elsewhere."""
    if not address.strip():
        return Problem("it is empty", "Write an address such as bob@example.org")
    if re.search(r"[<>]", address):
        return Problem("only the bare address belongs here", f"Write: {re.sub(r'.*<|>.*', '', address).strip()}")
    if '"' in address or "\\" in address:
        return Problem(
            "quoted local parts are refused: many systems cannot write to them", "Choose an address without quotes"
        )
    if re.search(r"[\s,;]", address):
        return Problem(
            "it contains white space or a comma: one address a list element", "Write each address on its own"
        )
    local, at, domain = address.rpartition("@")
    if not at:
        return Problem("it has no @", f"Write for example: {address}@example.org")
    if "@" in local:
        return Problem("it has more than one @", "Write: user@domain")
    return _local_part_problem(local, domain) or _domain_part_problem(local, domain)


def _local_part_problem(local: str, domain: str) -> Problem | None:
    if not local:
        return Problem("there is nothing before the @", f"Write for example: info@{domain}")
    if not local.isascii():
        return Problem(
            "letters outside ASCII need SMTPUTF8, which few servers speak", "Write the part before the @ in ASCII"
        )
    if len(local) > 64:
        return Problem(f"{len(local)} characters stand before the @, and SMTP allows 64", "Choose a shorter address")
    if not _DOT_STRING.fullmatch(local):
        allowed = re.sub(r"[^A-Za-z0-9._-]", "", local)
        example = re.sub(r"[.]+", ".", allowed).strip(".") or "info"
        reason = "before the @ there may be letters, digits, and single dots between them (RFC 5321 Dot-string)"
        return Problem(reason, f"Write for example: {example}@{domain}")
    return None


def _domain_part_problem(local: str, domain: str) -> Problem | None:
    if domain.startswith("["):
        return Problem("an address literal stands after the @", "Write a domain there")
    problem = domain_problem(domain)
    if problem is None:
        return None
    written = problem.fix.removeprefix("Write: ")
    return Problem(
        f"after the @: {problem.reason}", f"Write: {local}@{written}" if written != problem.fix else problem.fix
    )


def own_address_problem(address: str) -> Problem | None:
    """What is wrong with an address that this server is to receive mail for (beyond :func:`address_problem`)."""
    local, _at, domain = address.rpartition("@")
    if local.startswith("-"):
        return Problem("Postfix refuses an address that begins with a hyphen", f"Write: {local.lstrip('-')}@{domain}")
    if _ROUTING.search(local):
        return Problem(
            "one of % ! / | ` stands before the @, which Postfix reads as a route, a file or a command",
            f"Write for example: {_ROUTING.sub('', local)}@{domain}",
        )
    return None


def mailbox_problem(address: str, delimiter: str) -> Problem | None:
    """What is wrong with the address of a mailbox (beyond :func:`own_address_problem`)."""
    local, _at, _domain = address.rpartition("@")
    delimiters = sorted(set(delimiter) & set(local))
    if delimiters:
        base = without_extension(address, delimiter)
        return Problem(
            f'"{delimiters[0]}" separates a mailbox from its extension here (mail_recipient_delimiter): '
            f"mail for it would go to {base}",
            f"Write: address: {base}, {address} then reaches it without any entry; or change mail_recipient_delimiter",
        )
    if not _MAILBOX.fullmatch(local):
        strange = "".join(sorted(set(re.sub(r"[A-Za-z0-9._-]", "", local))))
        return Problem(
            f"a mailbox's name is a login and a directory: letters, digits and . _ - may stand in it, not {strange}",
            "Choose a plain name, and list this address in the user's aliases",
        )
    return None
