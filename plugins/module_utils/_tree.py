# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The engine of config_tree: a directory of configuration goes live whole and proved, or not at all.

Beside /etc/postfix the engine keeps /etc/.postfix.postern (mode 0700) for the time of a run:

    tree.N       a complete copy of the directory: the staged one, or after the exchange the former one
    state.json   the journal; it exists from just before the exchange until the new tree is proved

A run stages, checks, writes the journal, exchanges (renameat2(2), one step), applies, probes, removes the journal.
Removing the journal is the commit: without one, everything in the working directory is rubbish. With one, the next
run knows which tree is live and which is the last that was proved; it applies and probes again, and can still go back.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from . import _tree_disk as disk
from ._tree_input import Command, FileSpec, InputErrors, MapSpec, TreeSpec
from ._tree_journal import PROVED, UNAPPLIED, UNPROVED, Journal, JournalError, Standing, WorkingDirectory
from ._tree_plan import Change, Plan, make_diff, make_plan
from ._tree_run import ENVIRONMENT, Masker, Outcome, find, run


class TreeFailure(Exception):
    """A run that failed after its input was found good.

    Attributes:
        message: what failed and what was done about it, secrets masked.
        stage: "map", "check", "apply" or "probe" when a command failed, else "".
        outcome: the failed command, secrets masked; None when it was not a command.
        rolled_back: True when a tree that was not proved had been live and the former one is back.
    """

    def __init__(
        self, message: str, stage: str = "", outcome: Outcome | None = None, *, rolled_back: bool = False
    ) -> None:
        super().__init__(message)
        self.message = message
        self.stage = stage
        self.outcome = outcome
        self.rolled_back = rolled_back


@dataclass
class Result:
    """What a run did, or in check mode would do."""

    files: list[dict[str, str]] = field(default_factory=list)
    diff: list[dict[str, str]] = field(default_factory=list)
    repaired: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """True when a path changed or a killed run was repaired."""
        return bool(self.files) or self.repaired


def _no_step(_name: str) -> None:
    """Stand in for the hook by which tests inject a failure at a step."""


class Tree:
    """One run over one directory.

    Args:
        spec: the checked task.
        check_mode: look only; nothing is written anywhere.
        step: called with a name before each step that changes something; tests raise or kill there.
        environment: environment of all commands.
        exchange: the primitive that exchanges two directories.
    """

    def __init__(
        self,
        spec: TreeSpec,
        *,
        check_mode: bool = False,
        step: disk.Step = _no_step,
        environment: Mapping[str, str] = ENVIRONMENT,
        exchange: Callable[[str, str], None] = disk.exchange,
    ) -> None:
        self._spec = spec
        self._check_mode = check_mode
        self._step = step
        self._environment = environment
        self._exchange = exchange
        self._dest = os.path.realpath(spec.dest)  # /etc/postfix may be a link; its target is what can be exchanged
        self._work = WorkingDirectory(self._dest, step)
        self._plan = Plan()
        self._at_stake = False  # True while a journal must exist; one that is gone then says: committed

    def run(self, *, diff: bool = False) -> Result:
        """Bring the directory to what the task says, or in check mode tell what that would take.

        Raises:
            InputErrors: the task cannot work on this host; nothing was touched.
            TreeFailure: it did not work; the message says what is live now.
        """
        try:
            self._refuse_impossible()
            return self._predict(diff) if self._check_mode else self._carry_out(diff)
        except (OSError, JournalError) as error:
            raise TreeFailure(self._explain(error)) from error

    def _predict(self, diff: bool) -> Result:
        with self._work.locked(create=False, timeout=self._spec.lock_timeout) as locked:
            standing = self._work.look() if locked else Standing()
            root = self._work.path(standing.finish) if standing.finish else self._dest
            self._plan = make_plan(self._spec, root, accounts_may_be_missing=True)
            return self._result(standing, root, diff)

    def _carry_out(self, diff: bool) -> Result:
        if not os.path.isdir(os.path.dirname(self._dest)):
            raise InputErrors([f"dest: {os.path.dirname(self._dest)} does not exist; is the package installed?"])
        if not self._work.exists():
            # Nothing to repair: compare before taking the lock, so that an unchanged host is not written to at all.
            self._plan = make_plan(self._spec, self._dest)
            if not self._plan.changes:
                return Result()
        with self._work.locked(create=True, timeout=self._spec.lock_timeout):
            found = self._recover()
            try:
                self._plan = make_plan(self._spec, self._dest)
                result = self._result(found, self._dest, diff)
                if result.changed:
                    self._go_live()
            except InputErrors:
                raise
            except Exception as error:
                raise self._undo(error) from error
            result.notes += self._work.sweep()
            return result

    def _result(self, standing: Standing, root: str, diff: bool) -> Result:
        notes = []
        if standing.repair:
            fault = "proved" if standing.live == UNPROVED else "applied"
            verb = "would be" if self._check_mode else "was"
            earlier = f"{self._dest}: an earlier run ended before its configuration was {fault}"
            notes.append(f"{earlier}; it {verb} applied and probed")
        shown = make_diff(self._plan, self._spec.dest, root) if diff else []
        return Result(self._plan.files, shown, standing.repair, notes)

    def _refuse_impossible(self) -> None:
        if os.path.lexists(self._dest) and not os.path.isdir(self._dest):
            raise InputErrors([f"dest: {self._dest} is not a directory"])
        with contextlib.suppress(FileNotFoundError), open("/proc/self/mountinfo", encoding="utf-8") as table:
            mounts = disk.mount_points(self._dest, table.read())
            if mounts:
                reason = "is a mount point; a directory that is one, or holds one, cannot be exchanged"
                raise InputErrors([f"dest: {path} {reason}" for path in mounts])

    def _recover(self) -> Standing:
        """Find where an earlier run stopped, finish what cannot be left, write that down, then remove leftovers."""
        found = standing = self._work.look()
        if (tree := standing.finish) is not None:
            self._work.write(Journal("replace", standing.live, tree=tree, keep=standing.keep, fresh=standing.fresh))
            self._take_place(tree)
            standing = replace(standing, finish=None)
        # Written before anything is removed: the fingerprint of a half removed tree would tell nothing.
        self._work.stand(standing)
        self._work.sweep(standing.keep)
        return found

    # -- forward ------------------------------------------------------------------------------------------------------

    def _go_live(self) -> None:
        """Stage, check, exchange, apply, probe, commit; at any point the journal tells what an exception leaves."""
        self._require_programs()
        if self._plan.changes:
            seen = disk.fingerprint(self._dest)
            tree = self._stage()
            root = self._work.path(tree)
            for change in self._plan.changes:
                if isinstance(change.wanted, MapSpec) and change.state != "attributes":
                    self._compile(change.wanted, change, root)
            for command in self._spec.check:
                self._step("check")
                self._run("check", command, root, root)
            disk.fsync_tree(root, self._step)
            if disk.fingerprint(self._dest) != seen:
                raise TreeFailure(f"{self._dest} was changed by somebody else while the new tree was staged; run again")
            self._swap(tree)
        self._at_stake = True
        for command in self._spec.apply:
            self._step("apply")
            self._run("apply", command, self._dest, "/")
        for command in self._spec.probe:
            self._step("probe")
            self._probe(command)
        self._work.forget()

    def _stage(self) -> str:
        tree = self._work.new_name()
        root = self._work.path(tree)
        self._step("stage")
        if os.path.isdir(self._dest):
            disk.copy_tree(self._dest, root, self._step)
        else:
            self._make_directory(root)
        for change in self._plan.changes:
            self._step(f"stage.{change.state}")
            path = os.path.join(root, change.path)
            if change.state == "removed":
                disk.remove(path, _no_step)
            elif change.state == "attributes":
                _set_attributes(path, change)
            elif isinstance(change.wanted, FileSpec):
                self._write_file(root, change, change.wanted)
        return tree

    def _write_file(self, root: str, change: Change, wanted: FileSpec) -> None:
        below = root
        for name in wanted.path.split("/")[:-1]:
            below = os.path.join(below, name)
            if not os.path.isdir(below):
                self._make_directory(below)
        path = os.path.join(root, wanted.path)
        disk.remove(path, _no_step)
        disk.write_new(path, wanted.content)
        if change.node is not None and os.stat(path).st_mtime_ns == change.node.mtime_ns:
            # Two writes within one tick of the clock, and the fingerprints of both trees could be the same.
            os.utime(path, ns=(change.node.mtime_ns + 1, change.node.mtime_ns + 1))
        _set_attributes(path, change)

    def _make_directory(self, path: str) -> None:
        os.mkdir(path, 0o700)
        os.chmod(path, self._spec.directory_mode)  # mkdir(2) would let the umask take from it

    def _compile(self, table: MapSpec, change: Change, root: str) -> None:
        self._step("compile")
        source, target = os.path.join(root, table.source), os.path.join(root, table.target)
        disk.remove(target, _no_step)
        info = os.stat(source)
        # postmap(1) run by root works as the owner of its source, who may not enter the staged tree.
        os.chown(source, os.geteuid(), os.getegid())
        # The staged main.cf if there is one: the live one may be what this run repairs.
        config = ("-c", root) if os.path.isfile(os.path.join(root, "main.cf")) else ()
        command = (table.command, *config, f"{table.type}:{source}")
        self._run("map", Command(command), root, root)
        if not os.path.isfile(target):
            raise TreeFailure(f"map failed: `{' '.join(command)}` succeeded but wrote no {table.target}", "map")
        os.chown(source, info.st_uid, info.st_gid)
        os.chmod(source, info.st_mode & 0o7777)
        _set_attributes(target, change)
        if os.stat(target).st_mtime_ns < info.st_mtime_ns:  # a source from the future would be compiled on every run
            os.utime(target, ns=(info.st_mtime_ns, info.st_mtime_ns))

    def _swap(self, tree: str) -> None:
        """Make a staged tree live, with the last proved one kept."""
        standing = self._work.look()
        unproved = standing.live == UNPROVED
        fresh = standing.fresh if unproved else not os.path.lexists(self._dest)
        keep = standing.keep if unproved else None if fresh else tree
        mark = disk.fingerprint(self._work.path(tree))
        self._work.write(Journal("exchange", UNPROVED, standing.live, tree, mark, keep, fresh))
        self._exchange_with(tree)

    def _exchange_with(self, tree: str) -> None:
        path = self._work.path(tree)
        self._step("exchange")
        if not os.path.lexists(self._dest):
            os.rename(path, self._dest)
        else:
            try:
                self._exchange(path, self._dest)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._replace(tree)
        self._step("exchanged")
        disk.fsync_path(os.path.dirname(self._dest))
        disk.fsync_path(self._work.root)

    def _replace(self, tree: str) -> None:
        """Make a tree live where the kernel cannot exchange: dest lies in a lower layer of overlayfs.

        rename(2) of such a directory is EXDEV (kernel documentation, overlayfs, "Renaming directories"). It happens
        once: the directory that takes its place is of the upper layer. Between removal and renaming there is no
        configuration, and a run killed there is finished by the next one.
        """
        journal = self._work.read()
        if journal is None:
            raise TreeFailure("the journal has gone in the middle of the run")
        if journal.live == UNPROVED and journal.keep == tree:
            former = self._work.new_name()
            disk.copy_tree(self._dest, self._work.path(former), self._step)
            disk.fsync_tree(self._work.path(former), self._step)
            journal = replace(journal, keep=former)
        self._work.write(replace(journal, intent="replace"))
        self._take_place(tree)

    def _take_place(self, tree: str) -> None:
        # The first file of the task, main.cf say, goes first: without it a daemon refuses to start, while without
        # another file it might start with half a configuration.
        for item in self._spec.files[:1]:
            disk.remove(os.path.join(self._dest, item.path), self._step)
        disk.remove(self._dest, self._step)
        self._step("replace")
        os.rename(self._work.path(tree), self._dest)
        disk.fsync_path(os.path.dirname(self._dest))

    # -- backward -----------------------------------------------------------------------------------------------------

    def _undo(self, error: Exception) -> TreeFailure:
        """Go back to the last proved tree when another one is live; return the failure to raise."""
        cause = error if isinstance(error, TreeFailure) else TreeFailure(self._explain(error))
        try:
            told, rolled_back = self._go_back()
        except Exception as second:
            told = f"Going back failed too: {self._explain(second)}. The next run goes on from here"
            rolled_back = False
        return TreeFailure(f"{cause.message}. {told}.", cause.stage, cause.outcome, rolled_back=rolled_back)

    def _go_back(self) -> tuple[str, bool]:
        if self._at_stake and self._work.read() is None:
            return "This came after the new configuration was live and proved; it stays", False
        standing = self._recover_standing()
        if standing.live == PROVED:
            self._work.sweep()
            return f"{self._dest} is as it was", False
        if standing.live == UNAPPLIED:
            self._work.sweep()
            return "The configuration in place still has to be applied; the next run tries again", False
        if standing.keep is not None:
            keep = standing.keep
            mark = disk.fingerprint(self._work.path(keep))
            self._work.write(Journal("exchange", UNAPPLIED, UNPROVED, keep, mark, keep, standing.fresh))
            self._exchange_with(keep)
            return self._apply_former(), True
        if standing.fresh:
            self._step("rollback.remove")
            os.rename(self._dest, self._work.path(self._work.new_name()))
            disk.fsync_path(os.path.dirname(self._dest))
            # Nothing may well be a configuration that works: a unit without its drop-in, a daemon with its defaults.
            told = self._run_former()
            self._work.forget()
            self._work.sweep()
            return f"{self._dest} did not exist before and is removed again{told}", True
        return "There is no former configuration to go back to", False

    def _recover_standing(self) -> Standing:
        self._recover()
        return self._work.look()

    def _apply_former(self) -> str:
        self._work.stand(Standing(UNAPPLIED))
        self._work.sweep()
        told = self._run_former()
        if told:
            return f"The former configuration is back{told}; the next run tries again"
        self._work.forget()
        return "The former configuration is back and applied"

    def _run_former(self) -> str:
        """Make the daemon use what is back in place; return in words what went wrong with that, else ""."""
        stage, commands = ("restore", self._spec.restore) if self._spec.restore else ("apply", self._spec.apply)
        for command in commands:
            self._step("rollback.apply")
            try:
                self._run(stage, command, self._dest, "/")
            except TreeFailure as failure:
                return f", but to apply that failed too ({failure.message})"
        return ""

    # -- commands -----------------------------------------------------------------------------------------------------

    def _require_programs(self) -> None:
        """Refuse before anything is touched when a program is missing (a tree may bring a program of its own)."""
        argvs = [command.argv for command in self._spec.commands]
        argvs += [(change.wanted.command,) for change in self._plan.changes if isinstance(change.wanted, MapSpec)]
        names = {argv[0] for argv in argvs if "{tree}" not in argv[0]}
        missing = sorted(name for name in names if find(name, self._environment) is None)
        if missing:
            raise TreeFailure(f"not found on this host: {', '.join(missing)} (PATH={self._environment['PATH']})")

    def _run(self, stage: str, command: Command, tree: str, cwd: str, timeout: float | None = None) -> None:
        outcome = run(
            [word.replace("{tree}", tree) for word in command.argv],
            timeout=timeout or self._spec.command_timeout,
            cwd=cwd,
            silent=command.silent,
            environment=self._environment,
        )
        if outcome.problem:
            mask = self._masker()
            command_line, out, err = mask(outcome.command), mask(outcome.stdout), mask(outcome.stderr)
            outcome = replace(outcome, command=command_line, stdout=out, stderr=err)
            # With exit status 0 the output proper is not what is wrong (postconf prints a thousand lines of it).
            streams = (outcome.stderr, outcome.stdout) if outcome.rc else (outcome.stderr,)
            said = "\n".join(text.strip() for text in streams if text.strip()) or "(no output)"
            raise TreeFailure(f"{stage} failed: `{outcome.command}` {outcome.problem}: {said}", stage, outcome)

    def _probe(self, command: Command) -> None:
        """Try until it succeeds or the deadline has passed: a daemon needs a moment after its reload."""
        deadline, pause = time.monotonic() + self._spec.probe_timeout, 0.1
        while True:
            left = max(1.0, deadline - time.monotonic())
            try:
                return self._run("probe", command, self._dest, "/", min(left, self._spec.command_timeout))
            except TreeFailure:
                if time.monotonic() + pause >= deadline:
                    raise
            time.sleep(pause)
            pause = min(1.0, pause * 2)

    def _masker(self) -> Masker:
        public = [item.content for item in self._spec.files if not item.secret]
        secret = [item.content for item in self._spec.files if item.secret]
        return Masker(secret + self._plan.secrets, public)

    def _explain(self, error: Exception) -> str:
        if isinstance(error, (TreeFailure, JournalError)):
            return str(error)
        if not isinstance(error, OSError):
            return self._masker()(f"{type(error).__name__}: {error}")
        names = [os.fsdecode(name) for name in (error.filename, error.filename2) if name is not None]
        told = f"{error.strerror or error}: {' and '.join(names)}" if names else str(error)
        if error.errno == errno.EBUSY:
            told += " (a mount point cannot be exchanged)"
        elif error.errno in (errno.EINVAL, errno.ENOSYS) and error.filename2 is not None:
            told += " (this file system cannot exchange two directories)"
        return told


def _set_attributes(path: str, change: Change) -> None:
    if change.attributes is not None:
        uid, gid, mode = change.attributes
        os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)  # first: chown(2) clears set-id bits
        os.chmod(path, mode)
