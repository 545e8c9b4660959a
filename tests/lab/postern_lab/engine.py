# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Podman or docker on this machine, and the arguments with which systemd boots in a container here."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

from postern_lab.project import LabError

CAP_SYS_RESOURCE = 24  # bit number, capabilities(7)

# What decides how a container must be started, asked as the user who starts it.
_PROBE = """
stat --file-system --format=%T /sys/fs/cgroup
sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status
ulimit -Hn
ulimit -Hu
cat /proc/sys/kernel/pid_max
"""


@dataclass(frozen=True)
class Machine:
    """What the host offers to containers."""

    cgroup_v2: bool
    may_raise_limits: bool
    nofile: int
    nproc: int


@dataclass(frozen=True)
class Engine:
    """A container engine's command line. Every method raises LabError when the command fails."""

    name: str
    prefix: tuple[str, ...]

    def command(self, *arguments: str) -> list[str]:
        """The complete command line for the engine's ``arguments``."""
        return [*self.prefix, self.name, *arguments]

    def run(self, *arguments: str, data: bytes | None = None, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run the engine with ``data`` on its standard input; output is captured."""
        return run(self.command(*arguments), data=data, check=check)

    def text(self, *arguments: str) -> str:
        """Standard output of the engine as text, without the final newline."""
        return self.run(*arguments).stdout.decode(errors="replace").rstrip("\n")

    def json(self, *arguments: str) -> list[dict[str, Any]]:
        """Inspect output: a JSON list of what exists; names that do not exist are left out, without an error."""
        completed = self.run(*arguments, check=False)
        try:
            found = json.loads(completed.stdout or b"[]")
        except ValueError as error:
            raise LabError(f"{' '.join(self.command(*arguments))}: no JSON: {completed.stdout[:200]!r}") from error
        return found if isinstance(found, list) else [found]

    def inside(
        self, container: str, *arguments: str, data: bytes | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command in a container."""
        interactive = ["--interactive"] if data is not None else []
        return self.run("exec", *interactive, container, *arguments, data=data, check=check)

    def systemd_arguments(self) -> tuple[list[str], list[str]]:
        """Global arguments, and arguments of ``run``, that let systemd be process 1 of a container on this machine."""
        machine = look_at_machine(self.prefix)
        podman = self.name == "podman"
        # crun runs neither on hosts with cgroup v1 and v2 side by side nor without CAP_SYS_RESOURCE; runc does.
        before = ["--runtime=runc"] if podman and not (machine.cgroup_v2 and machine.may_raise_limits) else []
        if podman and machine.cgroup_v2:
            after = ["--systemd=always"]
        else:
            # systemd needs a writable cgroup v2 tree at /sys/fs/cgroup; a hybrid host keeps one under unified.
            source = "/sys/fs/cgroup" if machine.cgroup_v2 else "/sys/fs/cgroup/unified"
            after = ["--systemd=false"] if podman else []
            after += ["--cgroupns=host", f"--volume={source}:/sys/fs/cgroup:rw"]
            after += ["--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp"]
        if not machine.may_raise_limits:
            after += [f"--ulimit=nofile={machine.nofile}:{machine.nofile}"]
            after += [f"--ulimit=nproc={machine.nproc}:{machine.nproc}"]
        return before, after


def run(command: list[str], *, data: bytes | None = None, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run ``command``. Raises LabError with its output when it fails and ``check`` is true, or is not installed."""
    stdin: dict[str, Any] = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
    try:
        completed = subprocess.run(command, capture_output=True, check=False, **stdin)
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is not installed; `make setup` installs what the lab needs") from error
    if check and completed.returncode != 0:
        output = (completed.stderr + completed.stdout).decode(errors="replace").strip()
        raise LabError(f"command failed with status {completed.returncode}: {' '.join(command)}\n{output}")
    return completed


def root_prefix() -> tuple[str, ...]:
    """What to put before a command that needs root."""
    if os.geteuid() == 0:
        return ()
    if shutil.which("sudo") is None:
        raise LabError("the lab's containers belong to root: run this as root, or install sudo")
    return ("sudo", "--")


@functools.cache
def find_engine() -> Engine:
    """The engine that $CONTAINER_ENGINE names: podman (default) or docker."""
    name = os.environ.get("CONTAINER_ENGINE") or "podman"
    if name not in ("podman", "docker"):
        raise LabError(f"CONTAINER_ENGINE must be podman or docker, not {name!r}")
    if shutil.which(name) is None:
        raise LabError(f"{name} is not installed; `make setup` installs what the lab needs")
    return Engine(name, root_prefix())


@functools.cache
def look_at_machine(prefix: tuple[str, ...]) -> Machine:
    """Ask the kernel what containers get here."""
    probe = [*prefix, "bash", "-c", _PROBE]  # bash: dash's ulimit has no -u
    filesystem, capabilities, nofile, nproc, pid_max = run(probe).stdout.decode().split()
    return Machine(
        cgroup_v2=filesystem == "cgroup2fs",
        may_raise_limits=bool(int(capabilities, 16) >> CAP_SYS_RESOURCE & 1),
        nofile=_limit(nofile, 1048576),
        # podman itself lowers its limit to pid_max and cannot pass on more than it has.
        nproc=min(_limit(nproc, 4194304), int(pid_max)),
    )


def _limit(value: str, unlimited: int) -> int:
    return unlimited if value == "unlimited" else int(value)
