# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The real smtpd's answers to the corpus, kept so that the unit tests need no container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from postern_differential.cases import RECORDED, Case


def read(release: str) -> dict[str, dict[str, Any]]:
    """Name of the case -> essence of what the smtpd of a release answered; empty before the first recording."""
    path = RECORDED / f"{release}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write(release: str, answers: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep the answers, one case a line, so that a difference is readable."""
    lines = [f"{json.dumps(name)}: {json.dumps(answer)}" for name, answer in sorted(answers.items())]
    RECORDED.mkdir(exist_ok=True)
    (RECORDED / f"{release}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def concerns(case: Case, release: str) -> bool:
    """Whether a case is put to a release."""
    return release in case.releases
