# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Audit and explain against servers of somebody else; the lab is `audit`, its configurations are in molecule/audit.

pytest tests/audit
"""

from __future__ import annotations

import os
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Visit:
    """The servers before and after they were audited and asked, with no mail in between."""

    audit: Played
    before: dict[str, str]
    after: dict[str, str]


@pytest.fixture(scope="session")
def visit(servers: dict[str, Server], tmp_path_factory: pytest.TempPathFactory) -> Visit:
    before = {name: snapshot(server) for name, server in servers.items()}
    directory = tmp_path_factory.mktemp("audit")
    played = play("audit", directory=directory)
    play("explain", "-e", "client=203.0.113.7", "-e", "recipient=root@old.example", directory=directory)
    return Visit(played, before, {name: snapshot(server) for name, server in servers.items()})


@pytest.fixture(scope="session")
def audited(visit: Visit) -> Played:
    """The audit of both servers, with its defaults."""
    return visit.audit
