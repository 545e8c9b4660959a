# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""A configuration directory with a daemon that can be looked at, for the tests of config_tree."""

from __future__ import annotations

import errno
import gc
import grp
import os
import pwd
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.postern.mail.plugins.module_utils._tree import Result, Tree
from ansible_collections.postern.mail.plugins.module_utils._tree_input import Command, FileSpec, MapSpec, TreeSpec

ME = pwd.getpwuid(os.getuid()).pw_name
MY_GROUP = grp.getgrgid(os.getgid()).gr_name

# Loads a configuration: "refuse" is a file the daemon does not like, and it says so with words and exit status 3.
DAEMON = """#!/bin/sh
if [ -e "$1/refuse" ]; then echo "stdout of the daemon"; echo "I refuse $(cat "$1/refuse")" >&2; exit 3; fi
[ -e "$1/main.cf" ] || { echo "no main.cf" >&2; exit 4; }
cat "$1/main.cf" >"$2.new" && mv "$2.new" "$2"
"""
POSTMAP = """#!/bin/sh
for last; do :; done
source="${last#*:}"
if grep -q broken "$source"; then echo "postmap: fatal: $source, line 1" >&2; exit 1; fi
sed "s/^/compiled /" "$source" >"$source.${last%%:*}"
"""


def file(path: str, content: str, mode: int = 0o644, secret: bool = False, owner: str = ME) -> FileSpec:
    """Return a managed file that belongs to whoever runs the tests."""
    return FileSpec(path, content.encode(), owner, MY_GROUP, mode, secret)


def snapshot(root: Path, *, times: bool = False) -> dict[str, tuple[Any, ...]]:
    """Return everything below a directory: kind, mode, content, and with `times` inode and times too."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(root.rglob("*")) if root.is_dir() else []:
        info = path.lstat()
        content: object = None
        if stat.S_ISLNK(info.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(info.st_mode):
            content = path.read_bytes()
        more = (info.st_ino, info.st_mtime_ns, info.st_ctime_ns) if times else ()
        found[str(path.relative_to(root))] = (stat.filemode(info.st_mode), content, *more)
    return found


class Lab:
    """One directory `etc/mail`, one daemon that loads it, and the task that changes it.

    `old` and `new` are the snapshots before and after the task `spec`.
    """

    def __init__(self, root: Path, *, fresh: bool = False, exdev: bool = False) -> None:
        self.root = root
        self.etc = root / "etc"
        self.dest = self.etc / "mail"
        self.loaded = root / "loaded"
        self.exdev = exdev
        binaries = root / "bin"
        binaries.mkdir(parents=True)
        for name, text in (("daemon", DAEMON), ("postmap", POSTMAP), ("postalias", POSTMAP)):
            (binaries / name).write_text(text)
            (binaries / name).chmod(0o755)
        self.environment = {"PATH": f"{binaries}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        self.etc.mkdir()
        self.fresh = fresh
        if not fresh:
            self.furnish()
        self.old = snapshot(self.dest)
        self.spec = self.task()
        self.new = self._expected()

    def furnish(self) -> None:
        """Make the former configuration, part of it not managed, and let the daemon load it."""
        (self.dest / "keep" / "deep").mkdir(parents=True)
        (self.dest / "gone").mkdir()
        for path, content in (
            ("main.cf", "old main\n"),
            ("master.cf", "same master\n"),
            ("attributes", "same\n"),
            ("table", "old table\n"),
            ("table.lmdb", "compiled old table\n"),
            ("gone/a.cf", "unwanted\n"),
            ("keep/deep/by-hand", "not ours\n"),
        ):
            (self.dest / path).write_text(content)
            os.utime(self.dest / path, ns=(10**18 + 1, 10**18 + 1))
        (self.dest / "by-hand.cf").symlink_to("keep/deep/by-hand")
        self.loaded.write_text("old main\n")

    def task(self, *extra: FileSpec, **changes: Any) -> TreeSpec:
        """Return a task that creates, changes, removes, sets a mode and compiles."""
        values: dict[str, Any] = {
            "dest": str(self.dest),
            "files": (
                file("main.cf", "new main\n"),
                file("master.cf", "same master\n"),
                file("attributes", "same\n", 0o600),
                file("table", "new table\n", 0o640),
                file("sub/created", "created\n"),
                *extra,
            ),
            "maps": (MapSpec("table", "lmdb"),),
            "absent": ("gone",),
            "check": (Command(("grep", "-q", "new main", "{tree}/main.cf")),),
            "apply": (Command(("daemon", "{tree}", str(self.loaded))),),
            "probe": (Command(("grep", "-q", "main", str(self.loaded))),),
            "probe_timeout": 1,
            "lock_timeout": 5,
        }
        return TreeSpec(**(values | changes))

    def _expected(self) -> dict[str, tuple[Any, ...]]:
        """Return what must be there in the end, written down by hand."""
        new = {path: entry for path, entry in self.old.items() if not path.startswith("gone")}
        return new | {
            "main.cf": ("-rw-r--r--", b"new main\n"),
            "master.cf": ("-rw-r--r--", b"same master\n"),
            "attributes": ("-rw-------", b"same\n"),
            "table": ("-rw-r-----", b"new table\n"),
            "table.lmdb": ("-rw-r-----", b"compiled new table\n"),
            "sub": ("drwxr-xr-x", None),
            "sub/created": ("-rw-r--r--", b"created\n"),
        }

    def tree(self, spec: TreeSpec | None = None, **options: Any) -> Tree:
        """Return a run of the task, not started."""
        if self.exdev:
            options.setdefault("exchange", _refuse_exchange)
        return Tree(spec or self.spec, environment=self.environment, **options)

    def run(self, spec: TreeSpec | None = None, *, diff: bool = False, **options: Any) -> Result:
        """Run the task to its end."""
        return self.tree(spec, **options).run(diff=diff)

    def live(self) -> dict[str, tuple[Any, ...]]:
        """Return what is at dest now."""
        return snapshot(self.dest)

    def leftovers(self) -> list[str]:
        """Return what is beside dest and should not be."""
        return sorted({path.name for path in self.etc.iterdir()} - {"mail"})

    def killed(self, at: int, spec: TreeSpec | None = None) -> str | None:
        """Run in a process of its own that ends itself with SIGKILL at its step number `at`.

        Returns:
            the name of that step, or None when the run had fewer steps and came to its end.
        """
        trace = self.root / "killed-at"
        trace.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            gc.disable()  # a collection would copy every page that is shared with the parent
            try:
                self.run(spec, step=Countdown(at, lambda name: _die(trace, name)))
            finally:
                os._exit(0)  # a failing run is a run that came to its end
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) == trace.exists()
        return trace.read_text() if trace.exists() else None


class Countdown:
    """A step hook that acts at the step with a given number and remembers all names."""

    def __init__(self, at: int, action: Callable[[str], None], *, from_there_on: bool = False) -> None:
        self.at = at
        self.action = action
        self.from_there_on = from_there_on
        self.names: list[str] = []

    def __call__(self, name: str) -> None:
        """Count one step."""
        self.names.append(name)
        if len(self.names) == self.at or (self.from_there_on and len(self.names) > self.at):
            self.action(name)

    @property
    def reached(self) -> bool:
        """True when the run came as far as the step."""
        return len(self.names) >= self.at


def _die(trace: Path, name: str) -> None:
    trace.write_text(name)
    os.kill(os.getpid(), signal.SIGKILL)


def _refuse_exchange(left: str, right: str) -> None:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), left, None, right)
