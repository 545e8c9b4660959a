# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Run every stage of the tests (or those named as arguments), show what they print, and count.

A stage is a target of the Makefile. In a stage that runs pytest every test counts; any other stage is one test, and so
is Molecule's scenario beside its system tests. A failing stage does not keep the next from running. What a stage prints
is kept in tests/output/STAGE.log. The last line is ``N passed, N failed``; the exit status is 1 when anything failed.

First the stages that take their turn, shown as they run. Then the long ones, which wait for most of their time: two of
them at once (POSTERN_TEST_JOBS=1: one), each shown when it has ended.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "tests" / "output"

# Quick ones first: what is wrong there need not wait for the containers.
STAGES = (
    "yamllint",
    "ansible-lint",
    "ruff",
    "mypy",
    "unit",
    "contract",
    "unit-slow",
    "sanity",
    "images",
    "differential",
    "molecule",
    "molecule-audit",
    "molecule-edge",
    "molecule-certificates",
    "demo-test",
)
# What runs side by side, in the order in which it begins: the longest first, so that none is left alone at the end.
SIDE_BY_SIDE = (
    "molecule-edge",
    "molecule-certificates",
    "molecule",
    "differential",
    "unit-slow",
    "molecule-audit",
    "demo-test",
    "sanity",
)
JOBS = int(os.environ.get("POSTERN_TEST_JOBS", "2"))
REMINDER_SECONDS = 120  # silence would look like a hang
PYTEST_STAGES = ("unit", "contract", "unit-slow")

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# pytest's closing line: "===== 3 failed, 39 passed, 1 skipped in 2.34s (0:00:02) =====".
_CLOSING = re.compile(r"(?:^|= |│ )((?:\d+ [a-z]+, )*\d+ [a-z]+) in \d+(?:\.\d+)?s\b")
_FAILED = ("failed", "error", "errors")


@dataclass(frozen=True)
class Result:
    """Outcome of one stage: counted tests, and seconds it took."""

    stage: str
    passed: int
    failed: int
    skipped: int
    seconds: float


def run_alone(stage: str) -> Result:
    """Run a stage with its output on the terminal as it comes."""
    print(f"\n##### {stage}\n", flush=True)

    def show(line: str) -> None:
        sys.stdout.write(line)
        sys.stdout.flush()

    return run_stage(stage, show)


def run_side_by_side(stages: list[str]) -> list[Result]:
    """Run stages, JOBS at a time, each shown whole when it has ended."""
    with ThreadPoolExecutor(max_workers=JOBS) as pool:
        running: dict[Future[Result], str] = {pool.submit(run_stage, stage, lambda __: None): stage for stage in stages}
        print(f"\n##### at the same time: {', '.join(stages)}; see tests/output/*.log\n", flush=True)
        results = []
        while running:
            done, __ = wait(running, timeout=REMINDER_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                results.append(future.result())
                stage = running.pop(future)
                print(f"\n##### {stage}\n\n{log_of(stage).read_text(encoding='utf-8')}", flush=True)
            if not done:
                print(f"##### still to end: {', '.join(running.values())}", flush=True)
    return results


def log_of(stage: str) -> Path:
    """Where the output of a stage is kept."""
    return OUTPUT / f"{stage}.log"


def run_stage(stage: str, show: Callable[[str], None]) -> Result:
    """Run ``make STAGE`` with its output in a log file and passed on line by line, and count."""
    started = time.monotonic()
    closing: Counter[str] = Counter()
    with log_of(stage).open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            ["make", "--no-print-directory", stage],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout
        for line in process.stdout:
            show(line)
            log.write(line)
            log.flush()
            closing += count_closing_line(line)
    status = process.wait()
    return judge(stage, status, closing, time.monotonic() - started)


def count_closing_line(line: str) -> Counter[str]:
    """Word -> number of pytest's closing line; empty for any other line."""
    found = _CLOSING.search(_ANSI.sub("", line))
    pairs = (part.split() for part in found.group(1).split(", ")) if found else ()
    return Counter({word: int(number) for number, word in pairs})


def judge(stage: str, status: int, closing: Counter[str], seconds: float) -> Result:
    """What the stage's exit status and pytest's words amount to."""
    passed = closing["passed"] + closing["xfailed"]
    failed = sum(closing[word] for word in _FAILED) + closing["xpassed"]
    if stage in PYTEST_STAGES:
        # pytest that failed without a failing test (or ran none) is a failure of its own.
        failed += int((status != 0 or passed == 0) and failed == 0)
    else:
        passed, failed = passed + int(status == 0), failed + int(status != 0)
    return Result(stage, passed, failed, closing["skipped"], seconds)


def main(stages: list[str]) -> int:
    """Run the stages and print the table and the closing line."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    chosen = stages or list(STAGES)
    alone = [stage for stage in chosen if stage not in SIDE_BY_SIDE]
    beside = [stage for stage in SIDE_BY_SIDE if stage in chosen]
    results = [run_alone(stage) for stage in alone]
    results += run_side_by_side(beside) if len(beside) > 1 else [run_alone(stage) for stage in beside]
    print(f"\n{'stage':24}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for r in results:
        print(f"{r.stage:24}{r.passed:8}{r.failed:8}{r.skipped:9}{r.seconds:9.1f}")
    failed = sum(r.failed for r in results)
    print(f"{'all':24}{'':25}{time.monotonic() - started:9.1f}")
    print(f"{sum(r.passed for r in results)} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
