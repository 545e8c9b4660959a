# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access tables as data: who may connect, call itself what, send as whom, and to whom.

Networks go to a cidr: table, names and addresses to an indexed one, patterns to a pcre: table, asked in this order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._content.access_keys import key_faults
from ansible_collections.postern.mail.plugins.plugin_utils._content.actions import (
    NOTHING_TO_TRY,
    argument_faults,
)
from ansible_collections.postern.mail.plugins.plugin_utils._content.faults import Fault
from ansible_collections.postern.mail.plugins.plugin_utils._content.patterns import delimited, result_faults
from ansible_collections.postern.mail.plugins.plugin_utils._content.replies import (
    footer_line,
)
from ansible_collections.postern.mail.plugins.plugin_utils._content.written import Written
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import listed
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.networks import Network
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read.lexical import SyntaxProblem

KEYS = {
    "client": ("network", "domain", "pattern"),
    "helo": ("domain", "address", "pattern"),
    "sender": ("address", "domain", "pattern"),
    "recipient": ("address", "domain", "pattern"),
}
"""What an entry may say in the table of each stage; exactly one of them."""
VARIABLES = {f"postfix_{stage}_access": stage for stage in KEYS}
TABLES = {
    "network": ("networks", "cidr"),
    "domain": ("names", ""),
    "address": ("names", ""),
    "pattern": ("patterns", "pcre"),
}
"""Where each kind of key goes: end of the table's name, and its type; empty for the indexed one."""


@dataclass(frozen=True)
class Entry(Written):
    """One entry of a table.

    :param place: in its variable, from 0
    """

    stage: str
    place: int
    data: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called in logs and replies."""
        return f"{self.stage}_access[{self.place}]"

    @property
    def kinds(self) -> list[str]:
        return [key for key in ("network", "address", "domain", "pattern") if self.data.get(key) not in (None, "")]

    @property
    def kind(self) -> str:
        return self.kinds[0]

    @property
    def table(self) -> str:
        return f"{self.stage}_{TABLES[self.kind][0]}"

    @property
    def keys(self) -> list[str]:
        """As they stand in the table."""
        value = str(self.data[self.kind])
        if self.kind == "pattern":
            return [delimited(value)]
        value = value.lower()
        return [value, f".{value}"] if self.kind == "domain" and self.data.get("subdomains") else [value]

    @property
    def result(self) -> str:
        if self.data.get("observe"):
            return f"WARN observed {self.name}, would {self.action}" + (f": {self.comment}" if self.comment else "")
        code = self.data.get("code")
        if code and self.action in ("REJECT", "DEFER"):
            return f"{code} {self.reply.first or 'Access denied'}"
        return f"{self.action} {self.reply.first}".strip()

    def faults(self) -> Iterator[Fault]:
        """What is wrong with it whatever stands beside it."""
        allowed = KEYS[self.stage]
        if len(self.kinds) != 1 or self.kind not in allowed:
            wrong = [kind for kind in self.kinds if kind not in allowed]
            reason = f"it has {' and '.join(self.kinds) or 'no key to match'}"
            reason += f", and a {self.stage} has no {wrong[0]}" if wrong else ""
            yield Fault("access-key", f".{wrong[0]}" if wrong else "", reason, f"Write one of {listed(allowed)}")
            return
        keys = list(key_faults(self.stage, self.kind, str(self.data[self.kind])))
        yield from keys
        if self.data.get("subdomains") and self.kind != "domain":
            yield Fault("access-key", ".subdomains", "only a domain has subdomains", "Remove it")
        elif self.data.get("subdomains") and str(self.data["domain"]).startswith("."):
            yield Fault("access-key", ".subdomains", "the dot before the domain says so already", "Remove one of them")
        told = list(argument_faults(self.action, self.text))
        yield from told
        if self.kind == "pattern" and not told and not keys and not self.data.get("observe"):
            yield from result_faults(self.line, self.result)
        yield from self._code()
        if self.data.get("observe") and self.action in NOTHING_TO_TRY:
            yield Fault("observe", ".observe", f"{self.action} refuses nobody, so there is nothing to try", "Remove it")

    def _code(self) -> Iterator[Fault]:
        code = self.data.get("code")
        if code is None:
            return
        first = {"REJECT": 5, "DEFER": 4}.get(self.action)
        if first is None:
            yield Fault("access-code", ".code", f"{self.action} answers no code", "Remove it", str(code))
        elif not isinstance(code, int) or code // 100 != first or code in (421, 521):
            reason = f"{self.action} answers {first}xx, without closing the connection"
            yield Fault("access-code", ".code", reason, f"Write: {first}50", str(code))

    @property
    def line(self) -> str:
        """For a table that is read as it is; in patterns a $ would begin the number of a group."""
        return f"{self.keys[0]} {self.result}"


def entries(stage: str, value: Any) -> list[Entry]:
    items = value if isinstance(value, Sequence) and not isinstance(value, str) else []
    return [Entry(stage, place, item) for place, item in enumerate(items) if isinstance(item, Mapping)]


def repeated(all_: Sequence[Entry]) -> Iterator[tuple[Entry, Fault]]:
    """Entries that an earlier one of the same table leaves nothing to do."""
    seen: dict[tuple[str, str], Entry] = {}
    networks: list[tuple[Network, Entry]] = []
    for entry in all_:
        if any(True for __ in entry.faults()):
            continue
        for key in entry.keys:
            first = seen.setdefault((entry.table, key), entry)
            if first is not entry:
                reason = f"element [{first.place}] has the same key, and comes first"
                yield entry, Fault("access-duplicate", f".{entry.kind}", reason, "Remove one of the two", key)
                break
        else:
            yield from _covered(entry, networks)


def _covered(entry: Entry, networks: list[tuple[Network, Entry]]) -> Iterator[tuple[Entry, Fault]]:
    if entry.kind != "network":
        return
    try:
        network = Network.parse(entry.keys[0])
    except SyntaxProblem:
        return
    bits = 128 if network.family == 6 else 32
    for wider, first in networks:
        inside = wider.family == network.family and wider.prefix <= network.prefix
        if inside and network.value >> (bits - wider.prefix) == wider.value >> (bits - wider.prefix):
            reason = f"element [{first.place}], {first.keys[0]}, holds it and comes first"
            fix = "Put it before that one, or remove it"
            yield entry, Fault("access-unreached", ".network", reason, fix, entry.keys[0])
            break
    networks.append((network, entry))


def footers(all_: Sequence[Entry]) -> list[str]:
    return [line for entry in all_ if not entry.data.get("observe") and (line := footer_line(entry.name, entry.reply))]
