# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about names: a variable nobody reads was meant to be another."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, closest

# Close enough that two letters are swapped or one is missing, far enough that relay_hosts is not mail_hosts.
_SAME_NAME = 0.9
_PREFIX_ONLY = 0.6


def misspelt(
    names: Collection[str],
    known: Mapping[str, bool],
    prefixes: Collection[str],
    exempt: Collection[str] = (),
) -> Iterator[Mistake]:
    """Variables that look like ours and belong to nobody.

    :param names: variables somebody defined for this host
    :param known: variables the collection knows; True where this host sets its own value
    :param prefixes: beginnings of names that are ours, such as ``postfix_``
    :param exempt: wildcards of names to leave alone (mail_own_variables)
    """
    for name in sorted(names):
        if name in known or name.startswith(("_", "ansible_")) or any(fnmatchcase(name, pattern) for pattern in exempt):
            continue
        if name.startswith(tuple(prefixes)):
            guess = closest(name, known, _PREFIX_ONLY)
            what = f" (did you mean {guess}?)" if guess else ""
            fix = f"Write: {guess}" if guess else "Remove it"
            reason = f"no role has such a variable{what}: it would have no effect"
            yield Mistake("unknown-variable", name, reason, f"{fix}; if it is your own, add it to mail_own_variables")
        elif guess := _nearly(name, known):
            severity = "warning" if known[guess] else "error"
            reason = f"it looks like {guess}, which {'is set as well' if known[guess] else 'is not set'}"
            fix = f"Write: {guess}; if it is your own, add it to mail_own_variables"
            yield Mistake(
                "unknown-variable", name, reason, fix, severity="warning" if severity == "warning" else "error"
            )


def without_consequences(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """A variable is not reported missing when it is there under a misspelt name."""
    found = list(mistakes)
    meant = {mistake.fix.partition(";")[0] for mistake in found if mistake.rule == "unknown-variable"}
    return [mistake for mistake in found if mistake.rule != "missing" or f"Write: {mistake.variable}" not in meant]


def _nearly(name: str, known: Collection[str]) -> str:
    """The variable that differs from this one in a letter or two, at the beginning as well."""
    for candidate in known:
        if abs(len(candidate) - len(name)) > 2:
            continue
        matcher = difflib.SequenceMatcher(None, candidate, name, autojunk=False)
        if (
            matcher.real_quick_ratio() >= _SAME_NAME
            and matcher.quick_ratio() >= _SAME_NAME
            and _swapped(candidate, name)
        ):
            return candidate
        if matcher.quick_ratio() >= _SAME_NAME and matcher.ratio() >= _SAME_NAME:
            return candidate
    return ""


def _swapped(one: str, other: str) -> bool:
    """Whether two neighbouring letters are exchanged, which a ratio of matching blocks rates too low in short names."""
    if len(one) != len(other):
        return False
    different = [position for position, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]]
    if len(different) != 2 or different[1] - different[0] != 1:
        return False
    first, second = different
    return one[first] == other[second] and one[second] == other[first]
