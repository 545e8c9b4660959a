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
from dialogue.fixtures import forget_the_client, lab, pytest_generate_tests, servers
from dialogue.lab import Lab

__all__ = ["forget_the_client", "lab", "pytest_generate_tests", "servers"]

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
    fixtures.pytest_collection_modifyitems(items)
    items.sort(key=lambda item: item.get_closest_marker("enforce") is not None)


class Stage:
    """Whether the servers observe or enforce; changed by running site.yml, which takes most of a minute."""

    def __init__(self, lab: Lab, as_it_is: bool) -> None:
        self._lab = lab
        self.as_it_is = as_it_is
        self._now = ""

    def set(self, wanted: str) -> None:
        """Let all servers observe or enforce."""
        self._now = self._now or self._found()
        if wanted != self._now and self.as_it_is:
            pytest.skip(f"the servers do not {wanted}")
        if wanted != self._now:
            playbooks.run(self._lab, "site", *([f"--extra-vars=@{ENFORCE}"] if wanted == "enforce" else []))
            self._now = wanted

    def _found(self) -> str:
        """As an earlier session left them."""
        for stage, question in (("observe", OBSERVES), ("enforce", ENFORCES)):
            if all(server.run("sh", "-c", question, check=False).returncode == 0 for server in self._lab.servers):
                return stage
        return "neither"


@pytest.fixture(scope="session")
def stage(lab: Lab, pytestconfig: pytest.Config) -> Stage:
    """For tests that need a stage of their own choice."""
    return Stage(lab, pytestconfig.getoption("--as-it-is"))


@pytest.fixture(scope="session")
def published(lab: Lab) -> None:
    """The records of all servers are in DNS: their keys, SPF and the rest."""
    playbooks.run(lab, "dns", "--extra-vars=dns_do=publish")


@pytest.fixture(autouse=True)
def right_stage(request: pytest.FixtureRequest, stage: Stage) -> None:
    """Every test finds the servers in the stage that it is marked for."""
    stage.set("enforce" if request.node.get_closest_marker("enforce") else "observe")
