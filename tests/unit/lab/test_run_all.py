# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""`make test` counts what pytest says, and does not take silence for success."""

from __future__ import annotations

from collections import Counter

import pytest
from run_all import count_closing_line, judge


@pytest.mark.parametrize(
    ("line", "counted"),
    [
        ("===== 96 passed in 4.16s =====\n", {"passed": 96}),
        (
            "= 2 failed, 3 passed, 1 skipped, 1 error in 61.03s (0:01:01) =\n",
            {"failed": 2, "passed": 3, "skipped": 1, "error": 1},
        ),
        ("\x1b[32m==== \x1b[32m\x1b[1m5 passed\x1b[0m\x1b[32m in 0.10s\x1b[0m\x1b[32m ====\x1b[0m\n", {"passed": 5}),
        ("96 passed in 7.12s\n", {"passed": 96}),
        ("lab: demo is up (26.1 s)\n", {}),
        ("the mail passed in 3 hops\n", {}),
    ],
)
def test_closing_line(line: str, counted: dict[str, int]) -> None:
    assert count_closing_line(line) == Counter(counted)


@pytest.mark.parametrize(
    ("stage", "status", "closing", "passed", "failed"),
    [
        ("yamllint", 0, {}, 1, 0),
        ("yamllint", 2, {}, 0, 1),
        ("unit", 0, {"passed": 9, "skipped": 1}, 9, 0),
        ("unit", 1, {"passed": 9, "failed": 1}, 9, 1),
        ("unit", 0, {}, 0, 1),  # nothing ran
        ("unit", 4, {"passed": 9}, 9, 1),  # pytest itself failed
        ("molecule", 0, {"passed": 50}, 51, 0),
        ("molecule", 1, {}, 0, 1),
        ("molecule", 1, {"passed": 48, "failed": 2}, 48, 3),
    ],
)
def test_judgement(stage: str, status: int, closing: dict[str, int], passed: int, failed: int) -> None:
    result = judge(stage, status, Counter(closing), 1.0)
    assert (result.passed, result.failed) == (passed, failed)
