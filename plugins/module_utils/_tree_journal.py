# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The working directory of config_tree and its journal: what a killed run leaves for the next one to understand."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from . import _tree_disk as disk

# What a live tree is worth: proved by its probes; live but not proved; back after a failure, not known to be loaded.
PROVED, UNPROVED, UNAPPLIED = "proved", "unproved", "unapplied"


class JournalError(Exception):
    """The journal cannot be understood; the message says where it is and what to do."""


@dataclass(frozen=True)
class Journal:
    """What was about to happen when it was written.

    Attributes:
        intent: "exchange": `tree` becomes live; it had `fingerprint` before, so anything else there is the former tree.
            "replace": dest is being removed, then `tree` takes its name (a lower layer of overlayfs).
            "stand": nothing was under way.
        live: what dest is worth once the intent is carried out.
        before: what it was worth before.
        keep: name of the last proved tree while the live one is not proved.
        fresh: True when nothing was at dest before the live tree.
    """

    intent: str
    live: str
    before: str = PROVED
    tree: str | None = None
    fingerprint: str = ""
    keep: str | None = None
    fresh: bool = False


@dataclass(frozen=True)
class Standing:
    """Where things are: the live tree's worth, the last proved tree, and a tree that still must take dest's place."""

    live: str = PROVED
    keep: str | None = None
    fresh: bool = False
    finish: str | None = None

    @property
    def repair(self) -> bool:
        """True when an earlier run left work."""
        return self.live != PROVED or self.finish is not None


class WorkingDirectory:
    """`.NAME.postern` beside the directory NAME, with the trees and the journal; it exists only for the time of a run.

    Args:
        dest: the directory that is exchanged.
        step: called with a name before each step that changes something.
    """

    def __init__(self, dest: str, step: disk.Step) -> None:
        parent, name = os.path.split(dest)
        self.dest = dest
        self.root = os.path.join(parent, f".{name}.postern")
        self._state = os.path.join(self.root, "state.json")
        self._step = step

    def exists(self) -> bool:
        """Return True while a run is under way, or after a killed one."""
        return os.path.lexists(self.root)

    def path(self, name: str) -> str:
        """Return the path of a tree."""
        return os.path.join(self.root, name)

    def new_name(self) -> str:
        """Return a name no tree has."""
        taken = set(os.listdir(self.root))
        return next(name for number in range(len(taken) + 1) if (name := f"tree.{number}") not in taken)

    @contextlib.contextmanager
    def locked(self, *, create: bool, timeout: float) -> Iterator[bool]:
        """Keep other runs out; yields False when there is no working directory and `create` is False."""
        handle = disk.lock(self.root, create=create, timeout=timeout)
        try:
            yield handle is not None
        finally:
            if handle is not None:
                if create:
                    with contextlib.suppress(OSError):
                        os.rmdir(self.root)  # only when nothing is left in it
                os.close(handle)

    def read(self) -> Journal | None:
        """Return the journal, None when there is none. Raises JournalError."""
        try:
            with open(self._state, encoding="utf-8") as stream:
                return Journal(**json.load(stream))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            told = f"{self._state} cannot be understood ({error}); look at {self.root}, then remove it"
            raise JournalError(told) from error

    def write(self, journal: Journal) -> None:
        """Write the journal, durable when this returns."""
        self._step(f"journal.{journal.intent}")
        disk.write_atomic(self._state, json.dumps(asdict(journal)).encode(), self._step)

    def stand(self, standing: Standing) -> None:
        """Write down a standing with nothing under way; a proved tree needs no journal."""
        if standing.live == PROVED:
            self.forget()
        else:
            self.write(Journal("stand", standing.live, keep=standing.keep, fresh=standing.fresh))

    def forget(self) -> None:
        """Remove the journal: from here on everything in the working directory is rubbish."""
        self._step("forget")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._state)
            self._step("forgotten")
            disk.fsync_path(self.root)

    def look(self) -> Standing:
        """Tell from journal and disk where things are, without writing. Raises JournalError."""
        standing = self._interpret(self.read())
        if standing.fresh and standing.live == UNPROVED and not os.path.lexists(self.dest):
            return Standing()  # killed while going back to nothing: there is nothing
        return standing

    def _interpret(self, journal: Journal | None) -> Standing:
        if journal is None:
            return Standing()
        if journal.intent == "stand":
            return self._standing(journal.live, journal)
        tree = self.path(journal.tree or "none")
        if journal.intent == "replace":
            if not os.path.isdir(tree):
                return self._standing(journal.live, journal)
            unfinished = self._standing(journal.live, journal, journal.tree)
            # dest is half removed. What goes there is the proved tree, not the one that is still to be proved.
            return Standing(UNAPPLIED, finish=unfinished.keep) if unfinished.keep else unfinished
        if disk.fingerprint(tree) == journal.fingerprint:
            return self._standing(journal.before, journal)
        return self._standing(journal.live, journal)

    def _standing(self, live: str, journal: Journal, finish: str | None = None) -> Standing:
        if live != UNPROVED:
            return Standing(live, finish=finish)
        keep = journal.keep if journal.keep is not None and os.path.isdir(self.path(journal.keep)) else None
        return Standing(live, keep, journal.fresh, finish)

    def sweep(self, keep: str | None = None) -> list[str]:
        """Remove everything but the journal and one tree; return in words what could not be removed."""
        notes = []
        for name in sorted(os.listdir(self.root)):
            if name not in (keep, os.path.basename(self._state)):
                try:
                    disk.remove(self.path(name), self._step)
                except OSError as error:
                    notes.append(f"{self.path(name)} could not be removed: {error.strerror or error}")
        return notes
