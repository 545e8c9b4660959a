# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""config_tree is stopped at every step it has, by errors and by kill -9; the next run makes it good each time."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.postern.mail.plugins.module_utils._tree import Result, TreeFailure
from ansible_collections.postern.mail.plugins.module_utils._tree_input import Command, TreeSpec
from tree_lab import Countdown, Lab, file, snapshot

pytestmark = pytest.mark.slow

# Every step that a run may have; the tests below must come through each of them.
STEPS = {
    *("forget", "forgotten", "stage", "stage.copy", "stage.created", "stage.changed", "stage.attributes"),
    *("stage.removed", "compile", "check", "flush", "journal.exchange", "journal.replace", "journal.stand"),
    *("journal.write", "exchange", "exchanged", "replace", "apply", "probe", "remove"),
    *("rollback.apply", "rollback.remove"),
}
seen: set[str] = set()

SCENARIOS: dict[str, Callable[[Path], Lab]] = {
    "update": lambda root: Lab(root),
    "first configuration": lambda root: Lab(root, fresh=True),
    "lower layer of overlayfs": lambda root: Lab(root, exdev=True),
}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave fsync(2) out: what a killed process wrote is safe in the kernel, and hundreds of runs would take long."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


def failing(lab: Lab) -> dict[str, TreeSpec]:
    """Return tasks that fail after the exchange."""
    return {
        "apply": lab.task(file("refuse", "this")),
        "probe": lab.task(probe=(Command(("false",)),), probe_timeout=0),
    }


def whole(lab: Lab, *others: dict[str, tuple[object, ...]]) -> bool:
    """Tell whether what is live is one of the configurations, or, where the kernel cannot exchange, none at all."""
    live = lab.live()
    if lab.exdev and "main.cf" not in live:
        return live.items() <= lab.old.items() or any(live.items() <= other.items() for other in (lab.new, *others))
    return live in (lab.old, lab.new, *others)


def assert_repaired(lab: Lab, where: str) -> Result:
    """Run the task as it is; the new configuration must be live, loaded and alone, and stay so."""
    before = snapshot(lab.root, times=True)
    foreseen = lab.run(check_mode=True, diff=True)
    assert snapshot(lab.root, times=True) == before, f"check mode wrote something, {where}"
    result = lab.run(diff=True)
    assert (foreseen.files, foreseen.diff, foreseen.changed) == (result.files, result.diff, result.changed), where
    assert lab.live() == lab.new, where
    assert lab.loaded.read_text() == "new main\n", where
    assert lab.leftovers() == [], where
    again = lab.run()
    assert (again.changed, again.repaired) == (False, False), where
    return result


def trace(lab: Lab, spec: TreeSpec | None = None) -> list[str]:
    """Return the names of all steps of a run."""
    hook = Countdown(0, lambda _name: None)
    with contextlib.suppress(TreeFailure):
        lab.run(spec, step=hook)
    seen.update(hook.names)
    return hook.names


def edges(names: list[str]) -> list[int]:
    """Return the numbers of the steps that begin or end a row of equal steps: the tenth file copied teaches nothing."""
    last = len(names) - 1
    rows = (i in (0, last) or names[i] != names[i - 1] or names[i] != names[i + 1] for i in range(len(names)))
    return [number for number, edge in enumerate(rows, 1) if edge]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_kill_at_every_step(tmp_path: Path, scenario: str) -> None:
    steps = trace(SCENARIOS[scenario](tmp_path / "dry"))
    for at in edges(steps):
        lab = SCENARIOS[scenario](tmp_path / str(at))
        assert lab.killed(at) == steps[at - 1]
        assert whole(lab), f"a mixture after kill -9 at step {at}, {steps[at - 1]}"
        assert_repaired(lab, f"killed at step {at}, {steps[at - 1]}")


@pytest.mark.parametrize(("scenario", "failure"), [*zip(SCENARIOS, ("probe", "apply", "apply"), strict=True)])
def test_kill_at_every_step_of_going_back(tmp_path: Path, scenario: str, failure: str) -> None:
    dry = SCENARIOS[scenario](tmp_path / "dry")
    steps = edges(trace(dry, failing(dry)[failure]))
    assert (dry.live(), dry.leftovers()) == (dry.old, [])
    failed = dry.new | ({"refuse": ("-rw-r--r--", b"this")} if failure == "apply" else {})
    for at in steps:
        lab = SCENARIOS[scenario](tmp_path / str(at))
        name = lab.killed(at, failing(lab)[failure])
        assert name is not None
        assert whole(lab, failed), f"a mixture after kill -9 at step {at}, {name}"
        if "refuse" in lab.live():
            lab.spec = lab.task(absent=("gone", "refuse"))
        assert_repaired(lab, f"killed at step {at}, {name}")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_kill_of_the_repair_too(tmp_path: Path, scenario: str) -> None:
    """A second run is killed while it repairs what the first one left at its most delicate points."""
    steps = trace(SCENARIOS[scenario](tmp_path / "dry"))
    delicate = [at for at in edges(steps) if at > next(i for i, name in enumerate(steps) if name.startswith("journal"))]
    rng = random.Random(scenario)
    for number in rng.sample(delicate, 6):
        for second in itertools.count(rng.randint(1, 7), 7):
            lab = SCENARIOS[scenario](tmp_path / f"{number}-{second}")
            assert lab.killed(number) is not None
            name = lab.killed(second)
            where = f"killed at steps {number}, {steps[number - 1]}, and then {second}, {name}"
            assert whole(lab), where
            if rng.random() < 0.5:
                # Where it goes back to must be whole as well.
                with contextlib.suppress(TreeFailure):
                    lab.run(failing(lab)["probe"])
                assert lab.live() in (lab.old, lab.new), where
                assert lab.leftovers() == [], where
            assert_repaired(lab, where)
            if name is None:
                break


def test_kill_just_after_the_proved_tree_was_put_back(tmp_path: Path) -> None:
    """Of the two trees that wait for a removed directory the proved one takes its place, and must not lose it again."""
    dry, lab = (Lab(tmp_path / name, exdev=True) for name in ("dry", "lab"))
    removed = trace(Lab(tmp_path / "first", exdev=True)).index("replace") + 1
    assert dry.killed(removed) == lab.killed(removed) == "replace"
    assert not lab.dest.exists()
    assert lab.killed(trace(dry).index("journal.stand") + 1) == "journal.stand"
    assert lab.live() == lab.old
    with pytest.raises(TreeFailure):
        lab.run(failing(lab)["probe"])
    assert lab.live() == lab.old
    assert lab.leftovers() == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_error_at_every_step(tmp_path: Path, scenario: str) -> None:
    errors = itertools.cycle([OSError(errno.ENOSPC, "No space left on device"), RuntimeError("a defect")])
    for at in edges(trace(SCENARIOS[scenario](tmp_path / "dry"))):
        lab = SCENARIOS[scenario](tmp_path / str(at))
        hook = Countdown(at, _raiser(next(errors)))
        message = ""
        try:
            lab.run(step=hook)
        except (TreeFailure, RuntimeError) as failure:
            message = str(failure)
        where = f"error at step {at}, {hook.names[at - 1]}: {message}"
        assert whole(lab), where
        if "as it was" in message or "is back" in message or "removed again" in message:
            assert lab.live() == lab.old, where
        elif "it stays" in message or not message:
            assert lab.live() == lab.new, where
        assert_repaired(lab, where)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_works_any_more_from_a_step_on(tmp_path: Path, scenario: str) -> None:
    """The disk dies: going back fails as well, so the run only tells, and the next one repairs."""
    for at in edges(trace(SCENARIOS[scenario](tmp_path / "dry"))):
        lab = SCENARIOS[scenario](tmp_path / str(at))
        hook = Countdown(at, _raiser(OSError(errno.EIO, "Input/output error")), from_there_on=True)
        with contextlib.suppress(TreeFailure):  # the last steps only remove leftovers: a warning
            lab.run(step=hook)
        assert whole(lab), f"from step {at}, {hook.names[at - 1]}"
        assert_repaired(lab, f"from step {at}, {hook.names[at - 1]}")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_error_at_every_step_of_going_back(tmp_path: Path, scenario: str) -> None:
    dry = SCENARIOS[scenario](tmp_path / "dry")
    steps = trace(dry, failing(dry)["apply"])
    failed = dry.new | {"refuse": ("-rw-r--r--", b"this")}
    for at in [at for at in edges(steps) if at > steps.index("exchanged")]:
        lab = SCENARIOS[scenario](tmp_path / str(at))
        with pytest.raises(TreeFailure):
            lab.run(failing(lab)["apply"], step=Countdown(at, _raiser(OSError(errno.EIO, "Input/output error"))))
        assert whole(lab, failed), f"error at step {at}, {steps[at - 1]}"
        if "refuse" in lab.live():
            lab.spec = lab.task(absent=("gone", "refuse"))
        assert_repaired(lab, f"error at step {at}, {steps[at - 1]}")


def _raiser(error: Exception) -> Callable[[str], None]:
    def fail(_name: str) -> None:
        raise error

    return fail


def test_every_step_was_tried() -> None:
    assert seen == STEPS


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_chaos(tmp_path: Path, seed: int) -> None:
    """Tasks one after the other, killed at any step or at any moment; always one of the configurations is live."""
    rng = random.Random(seed)
    lab = Lab(tmp_path / "lab", exdev=seed == 3)
    good = [lab.task(file("choice", str(number))) for number in range(3)]
    states = [lab.old]
    for _ in good:
        twin = Lab(tmp_path / f"twin{len(states)}")
        twin.run(twin.task(file("choice", str(len(states) - 1))))
        states.append(twin.live())
    for _ in range(12):
        spec = rng.choice(good)
        if rng.random() < 0.5:
            lab.killed(rng.randint(1, 70), spec)
        else:
            _killed_after(rng.random() * 0.06, lab, spec)
        assert whole(lab, *states)
        if rng.random() < 0.3:
            lab.run(spec)
            assert lab.live() == states[good.index(spec) + 1]
            assert lab.leftovers() == []
    lab.spec, lab.new = good[0], states[1]
    assert_repaired(lab, f"seed {seed}")


def _killed_after(seconds: float, lab: Lab, spec: TreeSpec) -> None:
    """Kill a run from outside; without apply, because a command of a killed run lives on for a moment."""
    quiet = TreeSpec(**{**vars(spec), "apply": (), "probe": ()})
    child = os.fork()
    if child == 0:
        try:
            lab.run(quiet)
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if not (lab.etc / ".mail.postern").exists():
        lab.loaded.write_bytes((lab.dest / "main.cf").read_bytes())  # it came to its end, and had nothing to apply
