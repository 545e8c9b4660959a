"""The programs that roles install on the host, loaded as modules."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

ROLES = Path(__file__).parents[3] / "roles"


def load_program(path: str) -> ModuleType:
    """Load a program without suffix, given by its path under roles/."""
    loader = SourceFileLoader(Path(path).name.replace("-", "_"), str(ROLES / path))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[loader.name] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module
