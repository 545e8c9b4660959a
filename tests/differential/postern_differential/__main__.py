# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Command line of the differential tests; see tests/differential/README.md."""

from __future__ import annotations

import argparse
import json
import signal
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
from postern_differential.generate import cases
from postern_differential.linted import accepted, alarms, attempt, complete_policy, let_in, loosen, overlooked
from postern_differential.real import DriverError, RealSmtpd
from postern_differential.shrink import shrink

LINT_EVERY = 4
"""Of so many generated cases one is also an attempt to relay."""


def main() -> int:
    """Run what the arguments ask for; 1 when anything disagreed."""
    parser = argparse.ArgumentParser(prog="tests/differential/run", description=__doc__)
    parser.add_argument("--release", action="append", choices=list(RELEASES), help="default: all")
    parser.add_argument("--case", nargs="+", type=Path, help="files of cases (default: the corpus)")
    parser.add_argument("--only", default="", help="only cases with this in their name")
    parser.add_argument("--show", action="store_true", help="show every real reply and smtpd's log, compare nothing")
    parser.add_argument("--fresh", action="store_true", help="a process for every session")
    parser.add_argument("--count", type=int, default=0, help="generated cases a release, after those of the corpus")
    parser.add_argument("--seed", type=int, default=1, help="what they are generated from")
    parser.add_argument("--tell", type=int, default=10, help="how many of their disagreements are shrunk and printed")
    parser.add_argument("--no-corpus", action="store_true", help="generated cases only")
    parser.add_argument("--record", action="store_true", help="keep the real answers in corpus/recorded")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception: the container is removed on the way out
    try:
        failed = 0
        for release in arguments.release or RELEASES:
            if not arguments.no_corpus:
                failed += _run(release, arguments)
            if arguments.count:
                failed += _generated(release, arguments)
        return 1 if failed else 0
    except (LabError, DriverError) as error:
        print(f"differential: {error}", file=sys.stderr)
        return 1


def _run(release: str, arguments: argparse.Namespace) -> int:
    corpus = [case for case in load(arguments.case) if arguments.only in case.name and release in case.releases]
    started = time.monotonic()
    with RealSmtpd(release) as smtpd:
        if arguments.show:
            for case, result in smtpd.ask_all(corpus, fresh=arguments.fresh):
                _show(case, result)
            return 0
        answers = {case.name: essence(result) for case, result in smtpd.ask_all(corpus, fresh=arguments.fresh)}
        version = smtpd.mail_version
    took = time.monotonic() - started
    if arguments.record:
        kept = recordings.read(release) if arguments.case or arguments.only else {}
        recordings.write(release, {**kept, **answers})
        print(f"{release}: recorded {len(answers)} answers of Postfix {version} in {took:.0f} s")
        return 0
    wrong = list(_disagreements(release, corpus, answers))
    for case, text in wrong:
        print(f"--- {release}: {case.name}\n{text}")
    stale = [] if arguments.case else _stale(release, answers, whole=not arguments.only)
    for name in stale:
        print(f"--- {release}: {name}: the recording is not what smtpd answers; see --record")
    failed = len({case.name for case, _text in wrong} | set(stale))
    told = f"{len(corpus)} cases, {len(wrong)} disagreements, {len(stale)} stale recordings"
    print(f"{release}: Postfix {version}: {told}")
    print(f"{len(corpus) - failed} passed{f', {failed} failed' if failed else ''} in {took:.2f}s")
    return 1 if wrong or stale else 0


def _generated(release: str, arguments: argparse.Namespace) -> int:
    """Ask generated cases; the last line reads as pytest's, so that tests/run_all.py counts them."""
    started, asked = time.monotonic(), 0
    bad: list[Case] = []
    with RealSmtpd(release) as smtpd:

        def disagrees(case: Case) -> bool:
            return _difference(smtpd, case, release) is not None

        for case, result in smtpd.ask_all(cases(arguments.seed, arguments.count)):
            asked += 1
            # Asked again in a process of its own: what differs only in one used before is no disagreement.
            if _text(case, release, essence(result)) is None or not disagrees(case):
                continue
            bad.append(case)
            if len(bad) <= arguments.tell:
                small = shrink(case, disagrees)
                print(f"--- {release}: {case.name}\n{_difference(smtpd, small, release)}\n{dump([small])}", flush=True)
        pace = f"{asked / (time.monotonic() - started):.0f} a second"
        print(
            f"{release}: seed {arguments.seed}: {asked} generated cases, {len(bad)} disagreements, {pace}", flush=True
        )
        for case in bad[arguments.tell :]:
            print(f"  also {case.name}")
        tried, wrong = _linted(smtpd, release, arguments)
    failed = len(bad) + wrong
    took = time.monotonic() - started
    print(f"{asked + tried - failed} passed{f', {failed} failed' if failed else ''} in {took:.2f}s")
    return failed


def _linted(smtpd: RealSmtpd, release: str, arguments: argparse.Namespace) -> tuple[int, int]:
    """Strangers who try to relay, and the strangers whom the linter accuses: (tried, wrong)."""
    attempts = opened = witnessed = wrong = 0
    for number, case in enumerate(cases(arguments.seed, arguments.count)):
        relaying = attempt(case) if number % LINT_EVERY == 0 else None
        if relaying is None or not complete_policy(case):
            continue
        if number % (2 * LINT_EVERY):
            relaying = loosen(relaying)
        attempts += 1
        if let_in(smtpd, relaying, release):
            opened += 1
            if overlooked(relaying, release):
                wrong += 1
                print(f"--- {release}: the linter finds no open relay\n{dump([relaying])}", flush=True)
        elif number % (5 * LINT_EVERY):
            continue  # the search for a witness costs a second: a sample of the policies that are not known to be open
        for witness in alarms(relaying, release):
            witnessed += 1
            result = smtpd.ask([witness], fresh=True)[0]
            if not accepted(result):
                wrong += 1
                stages = [[stage["stage"], stage["code"], stage["text"]] for stage in result["stages"]]
                print(f"--- {release}: the linter's witness is refused: {stages}\n{dump([witness])}", flush=True)
    print(f"{release}: {attempts} strangers tried to relay, {opened} got in; {witnessed} witnesses; {wrong} wrong")
    return attempts + witnessed, wrong


def _difference(smtpd: RealSmtpd, case: Case, release: str) -> str | None:
    """What differs, None for nothing. A case that cannot be asked differs in nothing."""
    try:
        return _text(case, release, essence(smtpd.ask([case], fresh=True)[0]))
    except DriverError:
        return None


def _text(case: Case, release: str, real: Mapping[str, Any]) -> str | None:
    try:
        ours = essence(simulated(case, release))
    except Exception:  # whatever the simulator raises is a disagreement
        return traceback.format_exc()
    return None if ours == real else side_by_side(real, ours)


def _disagreements(
    release: str, corpus: list[Case], answers: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[Case, str]]:
    for case in corpus:
        text = _text(case, release, answers[case.name])
        if text is not None:
            yield case, text


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
