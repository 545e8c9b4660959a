# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a dynamic update has to change, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ansible_collections.postern.mail.plugins.plugin_utils._dns.model import RecordSet
from ansible_collections.postern.mail.plugins.plugin_utils._dns.text import presented

# In a TXT set only values of the same kind are ours to replace; anybody may have others there.
_KIND = re.compile(r"\s*v\s*=\s*(spf1|DMARC1|TLSRPTv1|STSv1)(?=[\s;]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Present:
    """What a server has at a name.

    :param alias: target where the name is an alias, which allows nothing beside it
    :param others: types that are there besides the one in question, as far as known
    """

    values: tuple[str, ...] = ()
    ttl: int = 0
    alias: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    zone: str
    name: str
    type: str
    ttl: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    ttl_before: int

    @property
    def title(self) -> str:
        return f"{self.name} {self.type}"

    def lines(self) -> list[str]:
        """As a diff: what goes, what comes, and what stays in the same set."""
        removed = [value for value in self.before if value not in self.after]
        added = [value for value in self.after if value not in self.before]
        kept = [value for value in self.after if value in self.before]
        if self.before and self.ttl != self.ttl_before:
            lines = [f"- {self._line(value, self.ttl_before)}" for value in self.before]
            return lines + [f"+ {self._line(value, self.ttl)}" for value in self.after]
        lines = [f"  {self._line(value, self.ttl)}" for value in kept]
        lines += [f"- {self._line(value, self.ttl)}" for value in removed]
        return lines + [f"+ {self._line(value, self.ttl)}" for value in added]

    def _line(self, value: str, ttl: int) -> str:
        return f"{self.name}. {ttl} {self.type} {presented(self.type, value)}"


@dataclass
class Plan:
    """Changes, titles of sets that are in no zone of ours, and what stands in the way."""

    changes: list[Change] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def wanted_values(wanted: RecordSet, present: tuple[str, ...]) -> tuple[str, ...]:
    """The whole set as it must be: ours, and of a TXT set what belongs to others.

    An update replaces a set whole (RFC 2136 2.5.2), hence what is foreign must be sent along.
    """
    if wanted.type != "TXT" or "._domainkey." in wanted.name:
        return wanted.values
    ours = {kind(value) for value in wanted.values}
    others = [value for value in present if value not in wanted.values]
    foreign = [value for value in others if not kind(value) or kind(value) not in ours]
    return (*foreign, *wanted.values)


def kind(value: str) -> str:
    """``spf1`` of an SPF record; empty for a text that is not of a kind that may be there once."""
    match = _KIND.match(value)
    return match[1].lower() if match else ""


def make_plan(wanted: Iterable[RecordSet], zone: Callable[[str], str], present: Callable[[str, str], Present]) -> Plan:
    """What has to change.

    :param zone: the zone of a name, empty where it is in none that may be updated
    :param present: what the primary server has at a name and type
    """
    plan = Plan()
    for each in wanted:
        where = zone(each.name)
        if not where:
            plan.outside.append(each.title)
            continue
        now = present(each.name, each.type)
        if now.alias and each.type != "CNAME":
            plan.wrong.append(f"{each.title}: the name is an alias of {now.alias}, and nothing may stand beside it")
        elif each.type == "CNAME" and now.others:
            plan.wrong.append(f"{each.title}: there is {', '.join(now.others)} at this name, and a CNAME stands alone")
        else:
            after = wanted_values(each, now.values)
            if set(after) != set(now.values) or now.ttl != each.ttl:
                plan.changes.append(Change(where, each.name, each.type, each.ttl, now.values, after, now.ttl))
    return plan
