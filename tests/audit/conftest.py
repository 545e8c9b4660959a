# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Audit and explain against servers of somebody else; the lab is `audit`, its configurations are in molecule/audit.

pytest tests/audit
"""

from __future__ import annotations

import os

import pytest
from auditing import LAB, Played, play, snapshot
from dialogue.lab import Lab, Server, load


@pytest.fixture(scope="session")
def lab() -> Lab:
    os.environ["POSTERN_LAB"] = LAB
    try:
        return load(LAB)
    except RuntimeError as error:
        pytest.fail(f"{error}\nTry: make molecule-audit, or molecule converge --scenario-name audit")


@pytest.fixture(scope="session")
def servers(lab: Lab) -> dict[str, Server]:
    return {server.name: server for server in lab.servers}


@pytest.fixture(scope="session")
def states(servers: dict[str, Server]) -> dict[str, str]:
    """State of each server before anything was audited by these tests."""
    return {name: snapshot(server) for name, server in servers.items()}


@pytest.fixture(scope="session")
def audited(states: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The audit of both servers, with its defaults."""
    return play("audit", directory=tmp_path_factory.mktemp("audit"))
