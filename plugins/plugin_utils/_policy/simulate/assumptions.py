# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Assumptions of tables, kept by table so that a verdict tells only those it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ansible_collections.postern.mail.plugins.plugin_utils._policy.lookup.tables import Table, Tables
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import TableContent
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Settings

if TYPE_CHECKING:
    from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.state import State


class Noted(Tables):
    """Tables that remember what was assumed when each was opened."""

    def __init__(self, settings: Settings, tables: Mapping[str, TableContent], absent: str) -> None:
        super().__init__(settings, tables, absent, self._note)
        self._notes: dict[str, list[str]] = {}
        self._opening: list[str] = []
        self._loose: list[str] = []

    def _note(self, text: str) -> None:
        if not self._opening:
            self._loose.append(text)
        for reference in self._opening:
            self._notes.setdefault(reference, []).append(text)

    def open(self, reference: str, *, folds: bool = True, substitution: bool = True) -> Table:
        if self._opening:
            # A table inside another one: what was assumed for it before holds for the outer one too.
            for text in self._notes.get(reference, ()):
                self._note(text)
        self._opening.append(reference)
        try:
            return super().open(reference, folds=folds, substitution=substitution)
        finally:
            self._opening.pop()

    def tell(self, reference: str, state: State) -> None:
        """Adds what was assumed of a table to a session's assumptions."""
        for text in self._notes.get(reference, ()):
            state.assume(text)

    def tell_loose(self, state: State) -> None:
        """Adds what was assumed while no table was being opened."""
        for text in self._loose:
            state.assume(text)
