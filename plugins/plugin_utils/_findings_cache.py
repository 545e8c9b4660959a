# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was found in a policy before: a run that changes nothing does not judge it again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Finding, Severity

_ENGINE = Path(__file__).resolve().parent / "_policy"
_MOST_FILES = 300


class FindingsCache:
    """Findings by policy, a file each. Whatever goes wrong with it, the policy is judged as without it.

    :param directory: made if need be, for this user alone; None: nothing is kept
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory

    def findings(self, parts: Iterable[str], judge: Callable[[], Sequence[Finding]]) -> list[Finding]:
        """:param parts: all that the findings depend on, but the engine itself
        :param judge: finds them
        """
        if self.directory is None:
            return list(judge())
        path = self.directory / f"{_digest([_engine(), *parts])}.json"
        kept = _read(path)
        if kept is not None:
            return kept
        found = list(judge())
        with contextlib.suppress(OSError, TypeError, ValueError):
            self._write(path, json.dumps([finding.as_dict() for finding in found]))
        return found

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        oldest_first = sorted(path.parent.glob("*.json"), key=lambda each: each.stat().st_mtime)
        for old in oldest_first[: max(0, len(oldest_first) - _MOST_FILES + 1)]:
            old.unlink(missing_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(name, path)


def _read(path: Path) -> list[Finding] | None:
    """None where there is nothing, or nothing that can be understood."""
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        return [Finding(**{**record, "severity": Severity(record["severity"])}) for record in records]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _digest(parts: Iterable[str]) -> str:
    total = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        total.update(f"{len(data)}:".encode() + data)
    return total.hexdigest()


def _engine() -> str:
    """What the engine is made of: another release, or a file edited, finds other things."""
    return _digest(path.read_text(encoding="utf-8") for path in sorted(_ENGINE.rglob("*.py")))
