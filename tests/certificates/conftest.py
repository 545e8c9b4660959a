# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Tests of certificates and of transport security: lab ``certificates`` has an authority, signed zones, policies.

pytest tests/certificates --lab certificates
"""

from __future__ import annotations

import pytest
from dialogue import fixtures, playbooks
from dialogue.fixtures import (
    forget_the_client,
    lab,
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_generate_tests,
    pytest_xdist_auto_num_workers,
    servers,
)
from dialogue.lab import Lab

__all__ = [
    "forget_the_client",
    "lab",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_xdist_auto_num_workers",
    "servers",
]


@pytest.fixture(scope="session")
def published(lab: Lab, pytestconfig: pytest.Config) -> None:
    """The records of all servers are in DNS: TLSA, MTA-STS and the rest."""
    fixtures.lanes_of(pytestconfig).once("publish", lambda: playbooks.run(lab, "dns", "--extra-vars=dns_do=publish"))
