# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of headers and bodies as data (header_checks(5)), in pcre: tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._content.actions import (
    NOTHING_TO_TRY,
    argument_faults,
)
from ansible_collections.postern.mail.plugins.plugin_utils._content.faults import Fault
from ansible_collections.postern.mail.plugins.plugin_utils._content.patterns import (
    compiled,
    delimited,
    pattern_faults,
    result_faults,
)
from ansible_collections.postern.mail.plugins.plugin_utils._content.replies import footer_line
from ansible_collections.postern.mail.plugins.plugin_utils._content.written import Written

TABLES = ("header_checks", "mime_header_checks", "nested_header_checks", "body_checks", "milter_header_checks")
VARIABLES = {f"postfix_{table}": table for table in TABLES}
# global/header_opts.c: HDR_OPT_MIME; in whatever header they stand, mime_header_checks alone sees them.
_MIME = re.compile(
    r"\^?\(?(?:\?:)?(?:Content-(?:(?:Description|Disposition|ID|Transfer-Encoding|Type)(?![\w-])|[^\w])|MIME-Version)",
    re.IGNORECASE,
)
# cleanup/cleanup_milter.c: cleanup_milter_hbc_extend has no PASS.
_NOT_OF_MILTERS = frozenset({"PASS"})


@dataclass(frozen=True)
class Check(Written):
    """One rule.

    :param place: in its variable, from 0
    """

    table: str
    place: int
    data: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called in logs and replies."""
        return f"{self.table}[{self.place}]"

    @property
    def result(self) -> str:
        if self.data.get("observe"):
            comment = self.comment.replace("$", "$$")
            return f"WARN observed {self.name}, would {self.action}" + (f": {comment}" if comment else "")
        return f"{self.action} {self.reply.first}".strip()

    @property
    def line(self) -> str:
        return f"{delimited(str(self.data.get('pattern') or ''), str(self.data.get('flags') or ''))} {self.result}"

    @property
    def lines(self) -> list[str]:
        return [f"# {self.comment}", self.line] if self.comment else [self.line]

    @property
    def footer(self) -> str:
        return "" if self.data.get("observe") else footer_line(self.name, self.reply)

    def samples(self, kind: str) -> list[str]:
        """:param kind: match or pass"""
        samples = self.data.get("samples")
        texts = samples.get(kind) if isinstance(samples, Mapping) else None
        return [text for text in texts if isinstance(text, str)] if isinstance(texts, Sequence) else []

    def faults(self) -> Iterator[Fault]:
        """What is wrong with it whatever stands beside it."""
        pattern = str(self.data.get("pattern") or "")
        found = list(pattern_faults(pattern, str(self.data.get("flags") or "")))
        yield from found
        if self.table != "mime_header_checks" and self.table.endswith("header_checks"):
            yield from self._mime(pattern)
        if self.table == "milter_header_checks" and self.action in _NOT_OF_MILTERS:
            reason = f"{self.action} does not exist for headers that milters add"
            yield Fault("action-text", ".action", reason, "Write DUNNO", self.action)
        texts = list(argument_faults(self.action, self.text, is_header=self.table != "body_checks"))
        yield from texts
        if self.data.get("observe") and self.action in NOTHING_TO_TRY:
            yield Fault(
                "observe", ".observe", f"{self.action} changes nothing, so there is nothing to try", "Remove it"
            )
        if not found and not texts:
            if not self.data.get("observe"):
                yield from result_faults(self.line, f"{self.action} {self.reply.first}")
            yield from self._samples()

    def _mime(self, pattern: str) -> Iterator[Fault]:
        if _MIME.match(pattern) and self.table != "milter_header_checks":
            reason = "Postfix shows Content-* and MIME-Version to mime_header_checks alone"
            yield Fault("check-table", ".pattern", reason, "Move the rule to postfix_mime_header_checks", pattern)

    def _samples(self) -> Iterator[Fault]:
        rules, sure = compiled([self.line])
        if not sure:
            return  # PCRE2 on the host will tell
        for kind in ("match", "pass"):
            for place, sample in enumerate(self.samples(kind)):
                if (rules.lookup(sample) is not None) != (kind == "match"):
                    reason = "the pattern does not match it" if kind == "match" else "the pattern matches it"
                    fix = "Correct the pattern, or the sample"
                    yield Fault("sample", f".samples.{kind}[{place}]", reason, fix, sample)


def checks(table: str, value: Any) -> list[Check]:
    items = value if isinstance(value, Sequence) and not isinstance(value, str) else []
    return [Check(table, place, item) for place, item in enumerate(items) if isinstance(item, Mapping)]


def shadowed(all_: Sequence[Check]) -> Iterator[tuple[Check, Fault]]:
    """Rules whose samples an earlier rule takes, and patterns that are there twice."""
    sound = [check for check in all_ if not any(not fault.is_warning for fault in check.faults())]
    seen: dict[str, Check] = {}
    for number, check in enumerate(sound):
        key = delimited(str(check.data["pattern"]), str(check.data.get("flags") or ""))
        first = seen.setdefault(key, check)
        if first is not check:
            reason = f"element [{first.place}] has the same pattern, and comes first"
            yield (
                check,
                Fault("check-duplicate", ".pattern", reason, "Remove one of the two", str(check.data["pattern"])),
            )
            continue
        for place, sample in enumerate(check.samples("match")):
            taker = next((each for each in sound[:number] if _takes(each, sample)), None)
            if taker is not None:
                reason = f"element [{taker.place}] matches it too, and comes first"
                fix = "Put this rule before that one, or make one of the patterns narrower"
                yield check, Fault("sample", f".samples.match[{place}]", reason, fix, sample)


def _takes(check: Check, sample: str) -> bool:
    rules, sure = compiled([check.line])
    return sure and rules.lookup(sample) is not None
