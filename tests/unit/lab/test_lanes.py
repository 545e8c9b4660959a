# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Which lane a test is in, when tests of several servers run at the same time, and for whom a lane waits."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dialogue import lanes
from dialogue.lab import Server
from dialogue.lanes import TOGETHER, Lanes, lane_of


def server(name: str) -> Server:
    return Server(
        lab="lab", name=name, hostname="", address="", address6="", release="", ports={}, domain="", second_domain="",
        accounts={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("nodeid", "lane"),
    [
        ("test_x.py::test_it[mx]", "mx"),
        ("test_x.py::test_it[mx-old]", "mx-old"),
        ("test_x.py::test_it[mx-old-smtp]", "mx-old"),
        ("test_x.py::test_it[mx-smtp]", "mx"),
        ("test_x.py::test_it[mx-[127.0.0.1]]", "mx"),
        ("test_x.py::test_it[mxx]", TOGETHER),
        ("test_x.py::test_it[smtp-mx]", TOGETHER),
        ("test_x.py::test_it[together:mx-smtp]", TOGETHER),
        ("test_x.py::test_it", TOGETHER),
    ],
)
def test_lane(nodeid: str, lane: str) -> None:
    assert lane_of(nodeid, [server("mx"), server("mx-old")]) == lane


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """What the process of lane ``mx`` knows; the other lane is ``other``."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    config: Any = SimpleNamespace(workerinput={"testrunuid": "run"})
    plugin: Any = Lanes(config, SimpleNamespace(servers=[server("mx"), server("other")]))  # type: ignore[arg-type]
    items = [SimpleNamespace(nodeid=f"test_x.py::test_it[{name}]") for name in ("mx", "other")]
    plugin.pytest_collection_finish(SimpleNamespace(items=items))
    plugin._lane = "mx"
    return plugin


def tell(plugin: Any, lane: str, phase: int, pid: int) -> None:
    (plugin.directory / lane).write_text(f"{phase} {pid}")


def process_that_has_ended() -> int:
    with subprocess.Popen(["true"]) as process:
        return process.pid


def test_a_lane_waits_until_the_others_have_come_as_far(two: Any) -> None:
    two._reached(1)
    assert not two._all_are_in(1)  # the other has not begun
    for phase, together in ((0, False), (1, True), (2, True)):
        tell(two, "other", phase, 1)
        assert two._all_are_in(1) is together


@pytest.mark.parametrize(("patience", "through"), [(-1, True), (1000, False)])
def test_nobody_waits_for_long_for_a_process_that_died(
    two: Any, monkeypatch: pytest.MonkeyPatch, patience: int, through: bool
) -> None:
    monkeypatch.setattr(lanes, "_SUCCESSION_SECONDS", patience)
    two._reached(1)
    tell(two, "other", 0, process_that_has_ended())
    assert two._all_are_in(1) is through
    tell(two, "other", 0, 1)  # another process goes on with its tests
    assert not two._all_are_in(1)


def test_a_lane_that_came_to_its_end_needs_no_process(two: Any) -> None:
    tell(two, "other", lanes._THROUGH, process_that_has_ended())
    two._reached(1)
    assert two._all_are_in(1)
