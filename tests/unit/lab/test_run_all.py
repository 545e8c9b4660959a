# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""`make test` counts what pytest says, and does not take silence for success."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import run_all
from run_all import Result, count_closing_line, judge


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


def test_what_runs_side_by_side_are_stages() -> None:
    assert set(run_all.SIDE_BY_SIDE) < set(run_all.STAGES)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_stage_is_shown_whole_and_counted_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, jobs: int
) -> None:
    """Alone or beside another, and whatever became of those before it."""

    def run(stage: str, show: object) -> Result:
        run_all.log_of(stage).write_text(f"first line of {stage}\nlast line of {stage}\n")
        return Result(stage, 3, int(stage == "molecule"), 0, 1.0)

    monkeypatch.setattr(run_all, "OUTPUT", tmp_path)
    monkeypatch.setattr(run_all, "JOBS", jobs)
    monkeypatch.setattr(run_all, "run_stage", run)
    assert run_all.main(["sanity", "yamllint", "molecule", "molecule-edge"]) == 1
    output = capsys.readouterr().out
    for stage in ("molecule", "molecule-edge", "sanity"):
        assert output.count(f"first line of {stage}\nlast line of {stage}\n") == 1
    assert output.endswith("\n12 passed, 1 failed\n")
