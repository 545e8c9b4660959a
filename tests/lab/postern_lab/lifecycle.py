# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""A lab from nothing to ready, and back to nothing."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from postern_lab.authority import ask_world
from postern_lab.containers import container_name, container_states, ensure_containers, system_state, wait_until_booted
from postern_lab.engine import Engine
from postern_lab.images import build_images, remove_images
from postern_lab.model import Lab
from postern_lab.network import Subnets, ensure_network, remove_network
from postern_lab.project import LabError, say
from postern_lab.state import exclusive, forget, load_subnets, save_subnets, save_trust
from postern_lab.world import configure_world


def up(engine: Engine, lab: Lab) -> Subnets:
    """Make the lab ready, from whatever is found. Does nothing, and that quickly, when it is ready."""
    started = time.monotonic()
    with exclusive(lab.name):
        build_images(engine, lab.hosts)
        subnets = ensure_network(engine, lab.name, load_subnets(lab.name))
        save_subnets(lab.name, subnets)
        new = ensure_containers(engine, lab, subnets)
        wait_until_booted(engine, lab, new)
        configure_world(engine, lab, subnets)
        save_trust(lab.name, ask_world(engine, container_name(lab.name, lab.world.name)))
        fetch_package_lists(engine, [container_name(lab.name, host.name) for host in lab.servers if new[host.name]])
    say(f"{lab.name} is up ({time.monotonic() - started:.1f} s)")
    return subnets


# A mirror that fails once must not end an hour of tests.
_FETCH = """
printf 'Acquire::Retries "10";\nAcquire::http::Timeout "60";\n' > /etc/apt/apt.conf.d/80lab
for pause in 5 20 60; do
    apt-get update --quiet --error-on=any && exit 0
    sleep $pause
done
exec apt-get update --quiet
"""


def fetch_package_lists(engine: Engine, containers: list[str]) -> None:
    """Give new servers what every installed Debian has, and what a dry run needs: the lists of packages."""
    if containers:
        say(f"fetching package lists on {len(containers)} server{'s' if len(containers) > 1 else ''}")
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda container: engine.inside(container, "sh", "-c", _FETCH), containers))


def down(engine: Engine, name: str, *, images: bool) -> None:
    """Remove containers, network and state of the lab called ``name``; labs.yml need not have it any more."""
    with exclusive(name):
        remove_network(engine, name)
        forget(name)
    say(f"{name} is down")
    if images:
        remove_images(engine)


def subnets_of(lab: Lab) -> Subnets:
    """The lab's subnets. Raises LabError when it is not up."""
    subnets = load_subnets(lab.name)
    if subnets is None:
        raise LabError(f"lab {lab.name} is not up; try `bin/lab --lab {lab.name} up`")
    return subnets


def status(engine: Engine, lab: Lab) -> tuple[list[tuple[str, str, str, str, str]], bool]:
    """Rows (name, hostname, addresses, container's state, systemd's state), and whether all is well."""
    subnets = load_subnets(lab.name)
    rows, well = [], True
    for name, state in container_states(engine, lab).items():
        host = lab.host(name)
        addresses = f"{subnets.address(host.number)} {subnets.address6(host.number)}" if subnets else "-"
        system = system_state(engine, container_name(lab.name, name)) if state == "running" else "-"
        well = well and system == "running"
        rows.append((name, host.hostname, addresses, state, system))
    return rows, well
