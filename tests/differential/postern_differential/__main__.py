# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Command line of the differential tests; see tests/differential/README.md."""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from postern_lab.project import LabError

from postern_differential import recordings
from postern_differential.cases import RELEASES, Case, dump, load
from postern_differential.compare import essence, side_by_side, simulated
from postern_differential.real import DriverError, RealSmtpd


def main() -> int:
    """Run what the arguments ask for; 1 when anything disagreed."""
    parser = argparse.ArgumentParser(prog="tests/differential/run", description=__doc__)
    parser.add_argument("--release", action="append", choices=list(RELEASES), help="default: all")
    parser.add_argument("--case", nargs="+", type=Path, help="files of cases (default: the corpus)")
    parser.add_argument("--only", default="", help="only cases with this in their name")
    parser.add_argument("--show", action="store_true", help="show every real reply and smtpd's log, compare nothing")
    parser.add_argument("--fresh", action="store_true", help="a process for every session")
    parser.add_argument("--record", action="store_true", help="keep the real answers in corpus/recorded")
    arguments = parser.parse_args()
    try:
        return max(_run(release, arguments) for release in arguments.release or RELEASES)
    except (LabError, DriverError) as error:
        print(f"differential: {error}", file=sys.stderr)
        return 1


def _run(release: str, arguments: argparse.Namespace) -> int:
    cases = [case for case in load(arguments.case) if arguments.only in case.name and release in case.releases]
    started = time.monotonic()
    with RealSmtpd(release) as smtpd:
        if arguments.show:
            for case, result in smtpd.ask_all(cases, fresh=arguments.fresh):
                _show(case, result)
            return 0
        answers = {case.name: essence(result) for case, result in smtpd.ask_all(cases, fresh=arguments.fresh)}
        version = smtpd.mail_version
    took = time.monotonic() - started
    if arguments.record:
        kept = recordings.read(release) if arguments.case or arguments.only else {}
        recordings.write(release, {**kept, **answers})
        print(f"{release}: recorded {len(answers)} answers of Postfix {version} in {took:.0f} s")
        return 0
    wrong = list(_disagreements(release, cases, answers))
    for case, text in wrong:
        print(f"--- {release}: {case.name}\n{text}\n{dump([case])}")
    stale = [] if arguments.case else _stale(release, answers, whole=not arguments.only)
    for name in stale:
        print(f"--- {release}: {name}: the recording is not what smtpd answers; see --record")
    print(
        f"{release}: Postfix {version}: {len(cases)} cases, {len(wrong)} disagreements, {len(stale)} stale recordings"
    )
    return 1 if wrong or stale else 0


def _disagreements(
    release: str, cases: list[Case], answers: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[Case, str]]:
    for case in cases:
        try:
            ours = essence(simulated(case, release))
        except Exception:  # whatever the simulator raises is a disagreement
            yield case, traceback.format_exc()
            continue
        if ours != answers[case.name]:
            yield case, side_by_side(answers[case.name], ours)


def _stale(release: str, answers: Mapping[str, Any], *, whole: bool) -> list[str]:
    recorded = recordings.read(release)
    names = set(answers) | (set(recorded) if whole else set())
    return sorted(name for name in names if recorded.get(name) != answers.get(name))


def _show(case: Case, result: Mapping[str, Any]) -> None:
    print(f"--- {case.name}")
    for stage in result["stages"]:
        print("  ", stage["stage"], stage["recipient"] or "", stage["code"], stage["dsn"] or "", stage["text"])
    print("  ", json.dumps({key: result[key] for key in ("fatal", "crash", "reason") if result[key]}))
    for line in result["log"]:
        print("   log:", line)


if __name__ == "__main__":
    sys.exit(main())
