# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Tests of different servers at the same time, each server's in their usual order.

    pytest tests/system --lab default --numprocesses=auto

A lane is a worker of pytest-xdist. Each server has one; one more has the tests marked ``together`` and those that take
no ``server``: they need all servers, or world, for themselves. Tests have phases, in which nothing else runs than what
belongs there: a lane that is through with its part waits for the others, but not for one whose process has died and
whose tests no other process has taken over. Without the option there is one lane.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from dialogue.lab import Lab, Server, wait_for

TOGETHER = "together"
_THROUGH = 1_000
# Longer than everything that other lanes may have to do in one phase.
_WAIT_SECONDS = 900
# In which xdist has started another process for the tests of one that died, if any are left.
_SUCCESSION_SECONDS = 120

_PHASE = pytest.StashKey[int]()


def test_id(server: Server, function: pytest.Function) -> str:
    """What stands in brackets behind the test's name: for which server, and in which lane."""
    return f"{TOGETHER}:{server.name}" if function.get_closest_marker(TOGETHER) else server.name


def lane_of(nodeid: str, servers: Sequence[Server]) -> str:
    """Name of the server that the test is for, or ``together``."""
    name = nodeid.partition("[")[2].rstrip("]")
    return max((s.name for s in servers if f"{name}-".startswith(f"{s.name}-")), key=len, default=TOGETHER)


def arrange(items: list[pytest.Item], *markers: str) -> None:
    """Sort into phases: what has the first marker after what has not, in each of these likewise for the next.

    In every phase the servers' own tests come before those of all together. The order is otherwise that of the files.
    """

    def key(item: pytest.Item) -> tuple[bool, ...]:
        alone = "server" in getattr(item, "fixturenames", ()) and not item.get_closest_marker(TOGETHER)
        return (*(item.get_closest_marker(name) is not None for name in markers), not alone)

    phases = sorted({key(item) for item in items})
    for item in items:
        item.stash[_PHASE] = phases.index(key(item))
    items.sort(key=lambda item: item.stash[_PHASE])


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc, unused-ignore]
    """Each lane is one piece of work."""

    def __init__(self, config: pytest.Config, log: Any, servers: Sequence[Server]) -> None:
        super().__init__(config, log)
        self._servers = servers

    def _split_scope(self, nodeid: str) -> str:
        return lane_of(nodeid, self._servers)


class Lanes:
    """The plugin: what this process knows of itself and of the others."""

    def __init__(self, config: pytest.Config, lab: Lab) -> None:
        self._lab = lab
        worker = getattr(config, "workerinput", None)
        self._parallel = worker is not None
        # The same for all workers of a run; the last of them removes it.
        self.directory = Path(tempfile.gettempdir(), f"postern-lanes-{worker['testrunuid'] if worker else os.getpid()}")
        self._lanes: set[str] = set()
        self._lane = ""
        self._told = -1  # the phase that the others know of
        self._dead: dict[str, float] = {}  # lane -> since when it is known to have no process

    @property
    def servers(self) -> Sequence[Server]:
        """Those that this process tests."""
        if not self._parallel or self._lane == TOGETHER:
            return self._lab.servers
        return tuple(server for server in self._lab.servers if server.name == self._lane)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """One lane at a time."""
        with (self.directory / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def once(self, what: str, work: Callable[[], object]) -> None:
        """Do ``work`` unless this or another lane has done what is called so."""
        with self.lock():
            done = self.directory / f"done-{what}"
            if not done.exists():
                work()
                done.touch()

    # -- hooks ---------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> _Scheduling:
        """Refuse to begin when a lane would wait for one that comes after it."""
        if len(config.option.tx) <= len(self._lab.servers):
            raise pytest.UsageError("tests of a lab need a worker for each server and one more: --numprocesses=auto")
        return _Scheduling(config, log, self._lab.servers)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self._lanes = {lane_of(item.nodeid, self._lab.servers) for item in session.items}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Wait until all lanes have come to the test's phase."""
        if self._parallel:
            self._lane, phase = lane_of(item.nodeid, self._lab.servers), item.stash[_PHASE]
            self._reached(phase)
            wait_for(f"phase {phase}", lambda: self._all_are_in(phase), timeout=_WAIT_SECONDS)
        return (yield)

    def pytest_sessionfinish(self) -> None:
        if self._lane:
            self._reached(_THROUGH)
        if not self._parallel or self._all_are_in(_THROUGH):
            shutil.rmtree(self.directory, ignore_errors=True)

    def _reached(self, phase: int) -> None:
        """Tell the others, and by whom they are told."""
        if self._told != phase:
            new = self.directory / f".{self._lane}"
            new.write_text(f"{phase} {os.getpid()}")
            new.rename(self.directory / self._lane)
            self._told = phase

    def _all_are_in(self, phase: int) -> bool:
        """Every lane has come to it, or is further."""
        return all(self._phase(lane) >= phase for lane in self._lanes)

    def _phase(self, lane: str) -> int:
        """How far a lane has come; -1 before its first test."""
        try:
            phase, pid = map(int, (self.directory / lane).read_text().split())
        except FileNotFoundError:
            return -1
        if phase == _THROUGH or _runs(pid):
            self._dead.pop(lane, None)
            return phase
        since = self._dead.setdefault(lane, time.monotonic())
        return _THROUGH if time.monotonic() - since > _SUCCESSION_SECONDS else phase


def _runs(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
