# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Tests of certificates and of transport security: lab ``certificates`` has an authority, signed zones, policies.

pytest tests/certificates --lab certificates
"""

from __future__ import annotations

import pytest
from dialogue import playbooks
from dialogue.fixtures import (
    forget_the_client,
    lab,
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_generate_tests,
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
    "servers",
]


@pytest.fixture(scope="session")
def published(lab: Lab) -> None:
    """The records of all servers are in DNS: TLSA, MTA-STS and the rest."""
    playbooks.run(lab, "dns", "--extra-vars=dns_do=publish")
