# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Tests of the edge: lab ``edge`` has every feature on, first observing, then enforcing.

    pytest tests/edge --lab edge

Tests marked ``enforce`` run last, after one run of site.yml with enforce.yml on all servers. With ``--as-it-is``
nothing is run, and what needs the other stage is skipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from dialogue import fixtures, playbooks
from dialogue.fixtures import forget_the_client, lab, pytest_generate_tests, pytest_xdist_auto_num_workers, servers
from dialogue.lab import Lab
from dialogue.lanes import Lanes, arrange

__all__ = ["forget_the_client", "lab", "pytest_generate_tests", "pytest_xdist_auto_num_workers", "servers"]

ENFORCE = Path(__file__).parent / "enforce.yml"
OBSERVES = "postconf -Mx smtp/inet | grep -q postscreen && postconf -hx postscreen_greet_action | grep -q -x ignore"
ENFORCES = "postconf -Mx smtp/inet | grep -q postscreen && ! postconf -hx postscreen_greet_action | grep -q -x ignore"


def pytest_addoption(parser: pytest.Parser) -> None:
    fixtures.pytest_addoption(parser)
    parser.addoption("--as-it-is", action="store_true", help="test the servers in the stage they are in")


def pytest_configure(config: pytest.Config) -> None:
    fixtures.pytest_configure(config)
    config.addinivalue_line("markers", "enforce: needs servers that act on what they only observe in other tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what observes, then what enforces; what disturbs is last in both."""
    arrange(items, "enforce", "disturbs")


class Stage:
    """Whether the servers observe or enforce; changed by running site.yml, which takes most of a minute."""

    def __init__(self, lab: Lab, lanes: Lanes, as_it_is: bool) -> None:
        self._lab = lab
        self._lanes = lanes
        self._now = lanes.directory / "stage"  # for all lanes
        self.as_it_is = as_it_is

    def set(self, wanted: str) -> None:
        """Let all servers observe or enforce."""
        with self._lanes.lock():
            now = self._now.read_text() if self._now.exists() else self._found()
            if wanted != now and self.as_it_is:
                pytest.skip(f"the servers do not {wanted}")
            if wanted != now:
                playbooks.run(self._lab, "site", *([f"--extra-vars=@{ENFORCE}"] if wanted == "enforce" else []))
            self._now.write_text(wanted)

    def _found(self) -> str:
        """As an earlier session left them."""
        for stage, question in (("observe", OBSERVES), ("enforce", ENFORCES)):
            if all(server.run("sh", "-c", question, check=False).returncode == 0 for server in self._lab.servers):
                return stage
        return "neither"


@pytest.fixture(scope="session")
def lanes(pytestconfig: pytest.Config) -> Lanes:
    """What runs at the same time."""
    return fixtures.lanes_of(pytestconfig)


@pytest.fixture(scope="session")
def stage(lab: Lab, lanes: Lanes, pytestconfig: pytest.Config) -> Stage:
    """For tests that need a stage of their own choice."""
    return Stage(lab, lanes, pytestconfig.getoption("--as-it-is"))


@pytest.fixture(scope="session")
def published(lab: Lab, lanes: Lanes) -> None:
    """The records of all servers are in DNS: their keys, SPF and the rest."""
    lanes.once("publish", lambda: playbooks.run(lab, "dns", "--extra-vars=dns_do=publish"))


@pytest.fixture(autouse=True)
def right_stage(request: pytest.FixtureRequest, stage: Stage) -> None:
    """Every test finds the servers in the stage that it is marked for."""
    stage.set("enforce" if request.node.get_closest_marker("enforce") else "observe")
