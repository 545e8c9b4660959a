# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The lab's containers: made, started again, or replaced, whichever is needed."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from postern_lab.engine import Engine
from postern_lab.images import image_tag
from postern_lab.model import Host, Lab
from postern_lab.network import Subnets, existing_containers
from postern_lab.project import LabError, project_name, say

_SPEC_LABEL = "postern.spec"
# A limit that ends a hang, also on a machine that is busy.
_BOOT_SECONDS = 600


def container_name(lab: str, host: str) -> str:
    """Name of the container of ``host`` in ``lab`` of this checkout."""
    return f"{project_name(lab)}-{host}"


def ensure_containers(engine: Engine, lab: Lab, subnets: Subnets) -> dict[str, bool]:
    """Let the container of every host of the lab run as it is specified.

    Returns for each host name whether its container is new. A container that stopped (the machine was restarted) is
    started; one that cannot start, or was made from another image or with other arguments, is replaced.
    """
    inspected = {str(item["Name"]).lstrip("/"): item for item in _inspect(engine, lab)}
    wanted = {container_name(lab.name, host.name): host for host in lab.hosts}
    for stale in sorted(existing_containers(engine, lab.name) - wanted.keys()):
        say(f"removing {stale}: the lab has no such host any more")
        engine.run("rm", "--force", "--volumes", stale)
    return {
        host.name: _ensure(engine, host, name, run_arguments(engine, lab, host, subnets), inspected.get(name))
        for name, host in wanted.items()
    }


def run_arguments(engine: Engine, lab: Lab, host: Host, subnets: Subnets) -> list[str]:
    """The engine's arguments that start the container of ``host``."""
    before, systemd = engine.systemd_arguments()
    name = container_name(lab.name, host.name)
    resolver = "127.0.0.1" if host is lab.world else subnets.address(lab.world.number)
    arguments = [
        *["run", "--detach", f"--name={name}", f"--hostname={host.hostname}", f"--env=container={engine.name}"],
        *[f"--network={project_name(lab.name)}", f"--label=postern.lab={project_name(lab.name)}"],
        *[f"--ip={subnets.address(host.number)}", f"--ip6={subnets.address6(host.number)}"],
        *[f"--dns={resolver}", "--dns-search=."],
        # Without SYS_ADMIN systemd silently ignores ProtectSystem= and its like; NET_ADMIN is for nftables.
        *["--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--security-opt=apparmor=unconfined"],
        *["--stop-timeout=0", "--stop-signal=SIGRTMIN+3"],
        *systemd,
    ]
    command = [image_tag(host.kind, host.suite), "/lib/systemd/systemd"]
    specification = hashlib.sha256("\0".join([*before, *arguments, *command]).encode()).hexdigest()[:16]
    return [*before, *arguments, f"--label={_SPEC_LABEL}={specification}", *command]


def wait_until_booted(engine: Engine, lab: Lab, new: dict[str, bool]) -> None:
    """Wait for systemd to say ``running`` in every container.

    Raises LabError when a new one does not get there. An older one may have a failed unit of its own: that is said.
    """
    for host in lab.hosts:
        name = container_name(lab.name, host.name)
        deadline = time.monotonic() + _BOOT_SECONDS
        state = system_state(engine, name)
        while state not in ("running", "degraded") and time.monotonic() < deadline:
            time.sleep(0.2)
            state = system_state(engine, name)
        if state == "running":
            continue
        failed = engine.inside(name, "systemctl", "--failed", "--no-legend", "--plain", check=False).stdout.decode()
        words = f"{host.name}: systemd says {state or 'nothing'}; failed units: {failed.strip() or 'none'}"
        if new[host.name] or state != "degraded":
            raise LabError(words)
        say(words)


def system_state(engine: Engine, container: str) -> str:
    """What ``systemctl is-system-running`` says in the container; empty when it cannot be asked."""
    answer = engine.inside(container, "systemctl", "is-system-running", check=False)
    return answer.stdout.decode().strip()


def container_states(engine: Engine, lab: Lab) -> dict[str, str]:
    """For each host name: ``running``, another state of the engine, or ``missing``."""
    found = {str(item["Name"]).lstrip("/"): str(item["State"]["Status"]) for item in _inspect(engine, lab)}
    return {host.name: found.get(container_name(lab.name, host.name), "missing") for host in lab.hosts}


def _inspect(engine: Engine, lab: Lab) -> list[dict[str, Any]]:
    names = [container_name(lab.name, host.name) for host in lab.hosts]
    return engine.json("container", "inspect", *names)


def _ensure(engine: Engine, host: Host, name: str, arguments: list[str], found: dict[str, Any] | None) -> bool:
    """One container of :func:`ensure_containers`; true when it is new."""
    if found:
        current = f"--label={_SPEC_LABEL}={(found['Config'].get('Labels') or {}).get(_SPEC_LABEL)}" in arguments
        if current and found["State"]["Running"] and _answers(engine, name):
            return False
        if current and not found["State"]["Running"]:
            say(f"starting {host.name} again")
            if engine.run("start", name, check=False).returncode == 0 and _answers(engine, name):
                return False
        say(f"replacing {host.name}: " + ("it does not start" if current else "its image or arguments changed"))
        engine.run("rm", "--force", "--volumes", name)
    say(f"starting {host.name} ({host.hostname}, Debian {host.suite})")
    engine.run(*arguments)
    return True


def _answers(engine: Engine, name: str) -> bool:
    """Whether a command can run in the container: after a crash the engine may believe in one that is gone."""
    return engine.inside(name, "true", check=False).returncode == 0
