# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rule of the linter is, and what the findings' reference says about each code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Element, Finding, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import main_cf


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One documented code. The page docs/findings.md is made of these.

    :param code: stable, in kebab case, such as ``missing-argument``
    :param title: a headline of a few words
    :param wrong: what is wrong, for somebody who does not know Postfix well
    :param happens: exact consequence: reply codes, who is affected
    :param example: main.cf or master.cf as found in the wild
    :param right: the same, mended
    :param source: postconf(5) parameter, README or RFC
    """

    code: str
    severity: Severity
    title: str
    wrong: str
    happens: str
    example: str
    right: str
    source: str


Rule = Callable[[Policy], Iterator[Finding]]
"""A rule names the service of each finding; the linter makes one without a service of those that all share."""


def find(
    kind: FindingKind,
    parameter: str,
    message: str,
    fix: str,
    *,
    consequence: str = "",
    severity: Severity | None = None,
    service: str = "",
    element: Element | str = "",
    index: int | None = None,
    session: Mapping[str, Any] | None = None,
) -> Finding:
    """A finding of this kind; consequence and severity are the kind's own unless the case is milder or worse.

    :param element: an ``Element`` also gives the index
    """
    if isinstance(element, Element):
        index = element.index if index is None else index
    return Finding(
        code=kind.code,
        severity=severity or kind.severity,
        parameter=parameter,
        message=message,
        consequence=consequence or kind.happens,
        fix=fix,
        service=service,
        index=index,
        element=str(element),
        session=session,
    )


def example_policy(text: str, version: str = "3.10") -> Policy:
    """The policy that a kind's example shows: main.cf, and after a line ``# master.cf`` or ``# /path`` such a file.

    A line ``# Postfix 3.7`` tells the release.

    :raises PolicyError: the text cannot be read
    """
    files: dict[str, list[str]] = {"main.cf": []}
    name = "main.cf"
    for line in text.splitlines():
        heading = line[2:].strip() if line.startswith("# ") else ""
        if heading.startswith("Postfix "):
            version = heading.removeprefix("Postfix ")
        elif heading in {"main.cf", "master.cf"} or (heading.startswith("/") and " " not in heading):
            name = heading
            files.setdefault(name, [])
        else:
            files[name].append(line)
    contents = {name: "\n".join(lines) + "\n" for name, lines in files.items()}
    entries = main_cf.parse(contents.pop("main.cf"))
    return Policy.of(entries.parameters, version, master=contents.pop("master.cf", None), tables=contents)
