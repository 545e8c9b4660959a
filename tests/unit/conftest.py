# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Make this checkout importable as ansible_collections.postern.mail, wherever it lies and however it is named."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run, however long a busy machine takes for one.
settings.register_profile(
    "postern", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("postern")

_CHECKOUT = Path(__file__).resolve().parents[2]


def _collections_directory() -> Path:
    root = Path(tempfile.mkdtemp(prefix="postern-collections-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    namespace = root / "ansible_collections" / "postern"
    namespace.mkdir(parents=True)
    # A regular package wins over namespace portions: the ansible package installs collections of its own.
    (root / "ansible_collections" / "__init__.py").touch()
    (namespace / "mail").symlink_to(_CHECKOUT, target_is_directory=True)
    return root


_COLLECTIONS = _collections_directory()
sys.path.insert(0, str(_COLLECTIONS))


@pytest.fixture(scope="session")
def collections_path() -> Path:
    """Directory to use as ANSIBLE_COLLECTIONS_PATH; it holds this checkout and nothing else."""
    return _COLLECTIONS
