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
from dialogue.lanes import Lanes, arrange, test_id

_LAB = pytest.StashKey[Lab]()
_LANES = pytest.StashKey[Lanes]()


def pytest_addoption(parser: pytest.Parser) -> None:
    default = os.environ.get("POSTERN_LAB") or os.environ.get("MOLECULE_SCENARIO_NAME") or "default"
    parser.addoption("--lab", default=default, help="lab that `bin/lab --lab NAME up` has started and converged")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "disturbs: stops, kills or starves what others use; runs after everything else")
    config.addinivalue_line("markers", "together: needs all servers, or world, for itself; nothing else runs meanwhile")
    config.stash[_LANES] = Lanes(config, lab_of(config))
    config.pluginmanager.register(config.stash[_LANES])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One for each server, one for what needs all of them."""
    return len(lab_of(config).servers) + 1


def lanes_of(config: pytest.Config) -> Lanes:
    """What this process knows of tests that run at the same time."""
    return config.stash[_LANES]


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
        metafunc.parametrize("server", servers, ids=[test_id(server, metafunc.definition) for server in servers])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What disturbs goes last; the order is otherwise that of the files."""
    arrange(items, "disturbs")


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> Lab:
    """The lab under test."""
    return lab_of(pytestconfig)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Sequence[Server]:
    """The servers that this process tests: all of the lab, or one when tests run side by side (see lanes.py)."""
    return lanes_of(pytestconfig).servers


@pytest.fixture(scope="module", autouse=True)
def forget_the_client(request: pytest.FixtureRequest) -> None:
    """Rate limits count per client and minute, and all tests are one client: start each file from zero."""
    if request.module.__name__ in ("test_postfix", "test_dovecot", "test_sasl"):
        return
    with ThreadPoolExecutor() as pool:
        list(pool.map(forget_clients, request.getfixturevalue("servers")))
