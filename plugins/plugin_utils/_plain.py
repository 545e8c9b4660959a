# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's values without their wrapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Unknown:
    """Stands where a value could not be evaluated, so that its neighbours keep their places."""

    def __repr__(self) -> str:
        return "..."


UNKNOWN = Unknown()


def plain(value: Any) -> Any:
    """The same data in Python's own types: tags, lazy containers and decrypted secrets are undone.

    Text stays text even where Ansible marks it (unsafe, vault), since the marks are subclasses or, before ansible-core
    2.19, sequences that only look like text.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    if type(value).__name__ in ("AnsibleVaultEncryptedUnicode", "EncryptedString"):
        return str(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [plain(item) for item in value]
    return value
