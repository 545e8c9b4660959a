# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Reads the configuration of a Postfix and the tables its access policy looks into; writes nothing.

This runs on the host, with any Python from 3.7 on: no syntax newer than that.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any

# Parameters whose tables the access policy reads. Only what these name is ever opened.
POLICY_PARAMETERS = re.compile(
    r"^(smtpd_.*_restrictions|smtpd_restriction_classes|smtpd_sender_login_maps|mynetworks|mydestination|relay_domains"
    r"|virtual_mailbox_domains|virtual_alias_domains|proxy_interfaces|permit_mx_backup_networks|fast_flush_domains"
    r"|postscreen_access_list|postscreen_dnsbl_reply_map|rbl_reply_maps|transport_maps|relay_transport_maps"
    r"|smtpd_discard_ehlo_keyword_address_maps|postscreen_discard_ehlo_keyword_address_maps|smtpd_command_filter"
    r"|smtpd_dns_reply_filter|relay_clientcerts|smtpd_client_event_limit_exceptions|debug_peer_list)$"
)
# Tables of recipients: that a name is there decides, not what it leads to. Only names are taken.
RECIPIENT_PARAMETERS = re.compile(
    r"^(local_recipient_maps|relay_recipient_maps|virtual_mailbox_maps|virtual_alias_maps|canonical_maps"
    r"|recipient_canonical_maps|sender_canonical_maps|virtual_maps)$"
)
# What these name or hold is never read, whoever else names it.
SECRET_PARAMETERS = re.compile(r"password|passwd|_key_file$|_dkey_file$|_eckey_file$|_chain_files$|_dh\d+_param_file$")

INDEXED = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb", "dbm": ".pag", "sdbm": ".pag"}
PLAIN = ("texthash", "regexp", "pcre", "cidr")
DATABASES = ("mysql", "pgsql", "ldap", "sqlite", "memcache", "mongodb", "nis", "nisplus", "tcp", "socketmap")

HIDDEN = "(not read: it may hold a password)"

_TABLE = re.compile(r"((?:proxy:)?)({}):([^\s,{{}}]+)".format("|".join([*INDEXED, *PLAIN, *DATABASES])))
_FILE = re.compile(r"(?:^|[\s,])!?(/[^\s,{}]+)")
_MACRO = re.compile(r"\$(?:\$|\{(\w+)\}|\((\w+)\)|(\w+))")
_SETTING = re.compile(r"^([^\s=]+)\s*=\s*(.*)$", re.DOTALL)
_OVERRIDE = re.compile(r"-o\s*(?:\{\s*(\w+)\s*=\s*([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}|(\w+)=(\S*))")


class Unreadable(Exception):
    """A file that is not taken; the text says why."""


def logical_lines(text: str) -> list[tuple[int, int, str]]:
    """(first line, last line, text) of each logical line of main.cf or master.cf, lines from 0."""
    found: list[Any] = []
    for number, line in enumerate(text.split("\n")):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if line[0] in " \t" and found:
            found[-1][1] = number
            found[-1][2] += " " + bare
        else:
            found.append([number, number, bare])
    return [(each[0], each[1], each[2]) for each in found]


def parameters(text: str) -> dict[str, str]:
    """Name -> value, the last of a name wins as in Postfix."""
    found = {}
    for _first, _last, line in logical_lines(text):
        setting = _SETTING.match(line)
        if setting:
            found[setting.group(1)] = setting.group(2).strip()
    return found


def overrides(master: str) -> list[tuple[str, str]]:
    """All -o parameters of master.cf with their values, whichever service they belong to."""
    found = []
    for _first, _last, line in logical_lines(master):
        for braced, value, name, plain in _OVERRIDE.findall(line):
            found.append((braced or name, (value or plain).strip()))
    return found


def hide_secrets(text: str) -> str:
    """main.cf with passwords that stand in it (static:, inline:) replaced; every line keeps its number."""
    lines = text.split("\n")
    for first, last, line in logical_lines(text):
        setting = _SETTING.match(line)
        if setting and re.search("passw", setting.group(1)) and re.search("static:|inline:|{", setting.group(2)):
            lines[first] = f"{setting.group(1)} = {HIDDEN}"
            for number in range(first + 1, last + 1):
                lines[number] = "#"
    return "\n".join(lines)


def hide_master_secrets(text: str) -> str:
    """master.cf with passwords in -o replaced."""
    return re.sub(r"(-o\s*\{?\s*\w*passw\w*\s*=\s*)([^\s{}]+)", r"\1hidden", text)


def expand(value: str, known: dict[str, str], depth: int = 0) -> str:
    """``$name`` and its like replaced; what is not known or goes in circles stays as it is."""

    def replace(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2) or match.group(3)
        if name is None or name not in known or depth > 20:
            return match.group(0)
        return expand(known[name], known, depth + 1)

    return _MACRO.sub(replace, value)


class Reference:
    """A table that is named in the configuration.

    :param name: as the access policy knows it, such as ``hash:/etc/postfix/access``
    :param kind: type without ``proxy:``; empty for a plain file in a list of networks or domains
    :param names_only: only keys are wanted
    """

    def __init__(self, name: str, kind: str, path: str, names_only: bool) -> None:
        self.name, self.kind, self.path, self.names_only = name, kind, path, names_only


def references(known: dict[str, str], services: list[tuple[str, str]]) -> dict[str, Reference]:
    """Every table that the access policy can look into, by name.

    :param known: parameter -> value, defaults included
    :param services: -o parameters of master.cf
    """
    classes = re.split(r"[\s,]+", expand(known.get("smtpd_restriction_classes", ""), known))
    found: dict[str, Reference] = {}
    for parameter, value in [*known.items(), *services]:
        policy = bool(POLICY_PARAMETERS.match(parameter)) or parameter in classes
        if not policy and not RECIPIENT_PARAMETERS.match(parameter):
            continue
        for reference in _references_in(parameter, expand(value, known), not policy):
            if reference.name not in found or not reference.names_only:
                found[reference.name] = reference
    return found


def _references_in(parameter: str, value: str, names_only: bool) -> list[Reference]:
    found = []
    for proxy, kind, path in _TABLE.findall(value):
        found.append(Reference(f"{proxy}{kind}:{path}", kind, path, names_only))
    if "unix:passwd.byname" in value:
        found.append(Reference("unix:passwd.byname", "unix", "passwd.byname", names_only))
    if "restrictions" not in parameter:  # there a path alone is no file
        rest = _TABLE.sub(" ", value)
        found += [Reference(path, "", path, names_only) for path in _FILE.findall(rest)]
    return found


def secret_paths(known: dict[str, str], services: list[tuple[str, str]]) -> set[str]:
    """Files that hold passwords or keys according to the configuration."""
    found = set()
    for parameter, value in [*known.items(), *services]:
        if SECRET_PARAMETERS.search(parameter):
            found.update(re.findall(r"/[^\s,{}]+", expand(value, known)))
    return found


def read_text(path: str, limit: int, secrets: set[str]) -> str:
    """A text file. Raises Unreadable with the reason when it is not taken."""
    if path in secrets or os.path.realpath(path) in secrets:
        raise Unreadable("it holds passwords or keys")
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("not a regular file")
        if status.st_size > limit:
            raise Unreadable(f"larger than {limit // 1024} KiB")
        with open(path, "rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise Unreadable((error.strerror or str(error)).lower()) from error
    if b"PRIVATE KEY" in data:
        raise Unreadable("it holds a private key")
    if b"\0" in data:
        raise Unreadable("not a text file")
    return data.decode("utf-8", "replace")


def entries(text: str, names_only: bool) -> dict[str, str]:
    """Key -> result of a table's source or of ``postmap -s``; the first of a key is kept, as postmap does."""
    found: dict[str, str] = {}
    for _first, _last, line in logical_lines(text):
        words = line.split(None, 1)
        key = words[0].rstrip(":") if names_only else words[0]  # aliases(5) writes "name: value"
        found.setdefault(key, "x" if names_only else words[1] if len(words) > 1 else "")
    return found


def modified(path: str) -> float | None:
    """Time of last modification, None when the file is not there."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


def has_nis() -> bool:
    """Whether the host belongs to a NIS domain; Debian's Postfix names a NIS map by default, empty without one."""
    try:
        with open("/proc/sys/kernel/domainname", encoding="utf-8") as stream:
            return stream.read().strip() not in ("", "(none)")
    except OSError:
        return False
