# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What every test of running servers can ask for; the conftest.py of each suite takes them from here.

Every test that takes ``server`` runs once for each server of the lab.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from dialogue.clients import forget_clients
from dialogue.lab import Lab, Server, load

_LAB = pytest.StashKey[Lab]()


def pytest_addoption(parser: pytest.Parser) -> None:
    default = os.environ.get("POSTERN_LAB") or os.environ.get("MOLECULE_SCENARIO_NAME") or "default"
    parser.addoption("--lab", default=default, help="lab that `bin/lab --lab NAME up` has started and converged")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "disturbs: stops, kills or starves what others use; runs after everything else")


def lab_of(config: pytest.Config) -> Lab:
    """The lab under test, asked for once."""
    if _LAB not in config.stash:
        try:
            config.stash[_LAB] = load(config.getoption("--lab"))
        except (RuntimeError, FileNotFoundError) as error:
            raise pytest.UsageError(str(error)) from error
    return config.stash[_LAB]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        servers = lab_of(metafunc.config).servers
        metafunc.parametrize("server", servers, ids=[server.name for server in servers])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What disturbs goes last; the order is otherwise that of the files."""
    items.sort(key=lambda item: item.get_closest_marker("disturbs") is not None)


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> Lab:
    """The lab under test."""
    return lab_of(pytestconfig)


@pytest.fixture(scope="session")
def servers(lab: Lab) -> Sequence[Server]:
    """All servers of the lab."""
    return lab.servers


@pytest.fixture(scope="module", autouse=True)
def forget_the_client(request: pytest.FixtureRequest) -> None:
    """Rate limits count per client and minute, and all tests are one client: start each file from zero."""
    if request.module.__name__ in ("test_postfix", "test_dovecot", "test_sasl"):
        return
    with ThreadPoolExecutor() as pool:
        list(pool.map(forget_clients, request.getfixturevalue("servers")))
