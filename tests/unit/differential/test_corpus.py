# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The simulator says what the real smtpd of each release was recorded to say."""

from __future__ import annotations

import pytest
from postern_differential import recordings
from postern_differential.cases import RELEASES, Case, load
from postern_differential.compare import essence, side_by_side, simulated

pytestmark = pytest.mark.slow

CASES = load()
PAIRS = [(release, case) for release in RELEASES for case in CASES if release in case.releases]


@pytest.fixture(scope="module")
def recorded() -> dict[str, dict[str, dict[str, object]]]:
    return {release: recordings.read(release) for release in RELEASES}


@pytest.mark.parametrize(("release", "case"), PAIRS, ids=[f"{release}: {case.name}" for release, case in PAIRS])
def test_simulator_says_what_smtpd_said(
    release: str, case: Case, recorded: dict[str, dict[str, dict[str, object]]]
) -> None:
    real = recorded[release].get(case.name)
    assert real is not None, "not recorded: tests/differential/run --record"
    ours = essence(simulated(case, release))
    assert ours == real, "\n" + side_by_side(real, ours)


def test_every_recording_is_of_a_case(recorded: dict[str, dict[str, dict[str, object]]]) -> None:
    names = {case.name for case in CASES}
    assert {name for answers in recorded.values() for name in answers} == names
