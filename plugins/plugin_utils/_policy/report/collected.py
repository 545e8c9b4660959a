# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module postfix_policy read on a host, to a policy and the mistakes that only the host shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.postern.mail.plugins.module_utils._postfix_read import INDEXED, PLAIN
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.parameters import NEWEST
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import host as kinds
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, TableContent
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy, version_of
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import lenient

_OLDEST = (3, 4)
# Their defaults depend on the host, so that no table of ours knows them.
_INJECTED = ("myhostname", "mydomain", "default_database_type", "mail_owner")


@dataclass(frozen=True)
class Collected:
    """One configuration of one host.

    :param version: of Postfix, as the host names it
    :param policy: with what the host computed for parameters that are not set
    :param written: the same with nothing but what is written, so that an unset parameter is seen as such
    :param findings: mistakes in the files themselves
    :param unread: sentences about tables that could not be read
    :param main_cf: text of main.cf
    """

    config_directory: str
    name: str
    version: str
    policy: Policy
    written: Policy
    findings: tuple[Finding, ...]
    unread: tuple[str, ...]
    read: tuple[str, ...]
    main_cf: str


def read_instance(data: Mapping[str, Any]) -> Collected:
    """One entry of ``instances``.

    :raises PolicyError: its version is none
    """
    main, problems = lenient.main(str(data["main_cf"]))
    services, more = lenient.master(str(data["master_cf"]))
    computed = dict(data.get("computed") or {})
    tables: dict[str, TableContent] = {}
    for name, content in (data.get("tables") or {}).items():
        tables[name] = content
        tables.setdefault(name.removeprefix("proxy:"), content)
    base = {name: computed[name] for name in _INJECTED if name in computed} | dict(main.parameters)
    full = {"mynetworks": computed["mynetworks"], **base} if "mynetworks" in computed else base
    version = str(data["version"])
    references = list(data.get("references") or ())
    findings = [*problems, *more]
    findings += _of_references(references, set(data.get("table_types") or ()))
    unread = [entry for entry in references if entry["unread"] and not entry["missing"]]
    for entry in unread:
        # What is there must not look like a file that is missing; of databases the simulator says that it cannot ask.
        if _kind(entry["table"]) in ("", *INDEXED, *PLAIN):
            tables.setdefault(entry["table"], "")
    known = [_unread(entry) for entry in unread if _kind(entry["table"]) in ("", *INDEXED, *PLAIN)]
    return Collected(
        config_directory=str(data["config_directory"]),
        name=str(data.get("name") or ""),
        version=version,
        policy=Policy.of(full, version, tables, services),
        written=Policy.of(base, version, tables, services),
        findings=tuple(findings),
        unread=(*_age(version), *known),
        read=tuple(entry["table"] for entry in references if not entry["unread"]),
        main_cf=str(data["main_cf"]),
    )


def _age(version: str) -> list[str]:
    """A sentence where the release is older or newer than those that are known."""
    release = version_of(version)
    if release < _OLDEST:
        return [f"Postfix {version} is older than 3.4, the oldest that this audit knows: taken for 3.4."]
    if [int(part) for part in version.split("-")[0].split(".")[:2]] > list(NEWEST):
        return [f"Postfix {version} is newer than this audit: taken for {NEWEST[0]}.{NEWEST[1]}."]
    return []


def _kind(table: str) -> str:
    """Type of a table, without ``proxy:``; empty for a plain file."""
    return table.removeprefix("proxy:").partition(":")[0] if ":" in table else ""


def _unread(entry: Mapping[str, Any]) -> str:
    return f"{entry['table']} was not read ({entry['unread']}): taken as a table that has nothing about anybody."


def _of_references(references: list[dict[str, Any]], types: set[str]) -> Iterator[Finding]:
    for entry in references:
        table = str(entry["table"])
        kind = _kind(table)
        if kind and types and kind not in types:
            yield find(
                kinds.NO_TYPE,
                table,
                f"This Postfix cannot read tables of type {kind}.",
                f"Run: apt-get install postfix-{kind}   # or write the table as a type that `postconf -m` lists",
            )
        elif entry["missing"] and "compiled" in entry["unread"]:
            yield find(
                kinds.NOT_COMPILED,
                table,
                f"{table} was never compiled: there is no {entry['missing']}.",
                f"Run: {_compiler(table)} {table.removeprefix('proxy:')}",
            )
        elif entry["missing"]:
            yield find(
                kinds.MISSING,
                table,
                f"There is no file {entry['missing']}.",
                f"Make {entry['missing']} (it may be empty), or remove {table} from the configuration.",
            )
        elif entry["stale"]:
            yield find(
                kinds.STALE,
                table,
                f"{table} was edited and not compiled again.",
                f"Run: {_compiler(table)} {table.removeprefix('proxy:')}",
            )


def _compiler(table: str) -> str:
    return "postalias" if table.endswith("aliases") else "postmap"
