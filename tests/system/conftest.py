# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Tests of the servers as they are by default.

pytest tests/system --lab default
"""

from __future__ import annotations

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
