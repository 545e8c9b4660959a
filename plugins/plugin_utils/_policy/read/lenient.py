# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""main.cf and master.cf as far as Postfix can read them, and what is wrong with their lines."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint import host as kinds
from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import find
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, PolicyError, Severity
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import main_cf, master_cf


def main(text: str) -> tuple[main_cf.MainCf, list[Finding]]:
    """main.cf without the lines that Postfix stumbles over, and what is wrong with its lines."""
    parsed, problems = _parsed(text)
    return parsed, [*problems, *_duplicates(parsed), *_strays(parsed)]


def _parsed(text: str) -> tuple[main_cf.MainCf, list[Finding]]:
    try:
        return main_cf.parse(text), []
    except PolicyError as error:
        problems = [_unreadable("main.cf", problem) for problem in str(error).splitlines()]
    good = []
    for line in main_cf.logical_lines(text):
        try:
            main_cf.name_value(line.text)
        except ValueError:
            continue
        if "\0" not in line.text:
            good.append(line.text)
    return main_cf.parse("\n".join(good)), problems


def master(text: str) -> tuple[str | None, list[Finding]]:
    """master.cf without the lines that Postfix stumbles over, None where there is none, and these lines."""
    if not text.strip():
        return None, []
    try:
        master_cf.parse(text)
        return text, []
    except PolicyError as error:
        problems = [_unreadable("master.cf", problem) for problem in str(error).splitlines()]
    good = []
    for line in main_cf.logical_lines(text):
        try:
            master_cf.parse(line.text)
        except PolicyError:
            continue
        good.append(line.text)
    return "\n".join(good), problems


def _unreadable(file: str, problem: str) -> Finding:
    fix = "name = value, or # before a comment" if file == "main.cf" else "eight fields, then its options"
    return find(kinds.UNREADABLE, file, f"Postfix cannot read {problem}", f"Write the line in the right form: {fix}.")


def _duplicates(parsed: main_cf.MainCf) -> Iterator[Finding]:
    for lost, wins in parsed.duplicates:
        same = " ".join(lost.value.split()) == " ".join(wins.value.split())
        yield find(
            kinds.DUPLICATE,
            lost.name,
            f"main.cf sets {lost.name} in line {lost.line} and again in line {wins.line}; only the last counts.",
            f"Delete line {lost.line} of main.cf, or move what you want from it to line {wins.line}.",
            severity=Severity.STYLE if same else None,
            consequence="Both say the same now, but who edits the first will wonder." if same else "",
        )


def _strays(parsed: main_cf.MainCf) -> Iterator[Finding]:
    for warning in parsed.warnings:
        place = warning.split(":", 1)[0]
        yield find(
            kinds.STRAY,
            "main.cf",
            f"{place} begins with white space and continues nothing.",
            "Remove the white space at the begin of the line.",
        )
