# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys of access tables: what Postfix asks for, and what it never does (access(5), cidr_table(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._addresses import domain_problem, is_ip_address
from ansible_collections.postern.mail.plugins.plugin_utils._content.faults import Fault
from ansible_collections.postern.mail.plugins.plugin_utils._content.patterns import pattern_faults
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import keys
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.networks import HostBits, Network
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SyntaxProblem

RULE = "access-key"


def key_faults(stage: str, kind: str, value: str) -> Iterator[Fault]:
    """Why a key of this kind would never match, or is none."""
    if kind == "pattern":
        yield from pattern_faults(value)
        return
    if value != value.strip() or re.search(r"\s", value) or value.startswith("#"):
        yield Fault(RULE, f".{kind}", "a key is one word", f"Write: {''.join(value.split()).lstrip('#')}", value)
        return
    judge = {"network": _network, "domain": _domain, "address": _address}[kind]
    yield from judge(stage, value)


def _network(stage: str, value: str) -> Iterator[Fault]:
    try:
        Network.parse(value)
    except HostBits as problem:
        reason = "it has bits set behind its mask, and Postfix would leave it out"
        yield Fault("host-bits", ".network", reason, f"Write: {problem.right}, or one address without a mask", value)
    except SyntaxProblem as problem:
        fix = "Write for example 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32; a name goes under domain"
        yield Fault(RULE, ".network", f"it is no address or network ({problem})", fix, value)


def _domain(stage: str, value: str) -> Iterator[Fault]:
    if stage != "helo" and (is_ip_address(value) or re.fullmatch(r"[\d.]+(/\d+)?", value)):
        where = "Write it as network" if stage == "client" else "Move it to postfix_client_access, as network"
        yield Fault(RULE, ".domain", "it is an address, and here names are looked up", where, value)
        return
    if "@" in value:
        fix = f"Write: address: {value}" if not value.startswith("@") else f"Write: {value[1:]}"
        yield Fault(RULE, ".domain", "it has an @, and a domain has none", fix, value)
        return
    if value.startswith("*."):
        fix = f"Write: domain: {value[1:]}, or domain: {value[2:]} with subdomains: true"
        yield Fault(RULE, ".domain", "* is no wildcard here", fix, value)
        return
    never = (keys._helo_key if stage == "helo" else keys._host_key)(value, False)
    if never:
        yield Fault(
            RULE, ".domain", f"it never matches: {never[0]}", f"Write: {never[1]}" if never[1] else _PATTERN, value
        )
    elif stage in ("sender", "recipient") and (problem := domain_problem(value.removeprefix("."))):
        yield Fault(RULE, ".domain", problem.reason, problem.fix, value)
    elif not value.isascii():
        yield Fault(RULE, ".domain", "names travel in ASCII", "Write it as xn--...", value)


_PATTERN = "Write what is asked for, or a pattern"


def _address(stage: str, value: str) -> Iterator[Fault]:
    if stage == "helo":
        literal = value.removeprefix("[").removesuffix("]")
        if not (value.startswith("[") and value.endswith("]")) or not is_ip_address(literal.removeprefix("IPv6:")):
            reason = "a client that calls itself by an address says it in brackets"
            yield Fault(RULE, ".address", reason, f"Write: [{literal}]", value)
        return
    if value == "<>":
        if stage == "recipient":
            yield Fault(RULE, ".address", "no recipient is empty", "Remove it", value)
        return
    never = keys._mail_key(value, False)
    if never:
        yield Fault(
            RULE, ".address", f"it never matches: {never[0]}", f"Write: {never[1]}" if never[1] else _PATTERN, value
        )
    elif "@" not in value:
        fix = f"Write: domain: {value}" if "." in value else f"Write: {value}@ (the user in every domain)"
        yield Fault(RULE, ".address", "it has no @", fix, value)
    elif not value.endswith("@") and (problem := domain_problem(value.rpartition("@")[2])):
        yield Fault(RULE, ".address", problem.reason, problem.fix, value)
    elif not value.isascii():
        yield Fault(RULE, ".address", "it is not ASCII", "Write a pattern", value)
