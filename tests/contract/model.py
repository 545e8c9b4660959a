"""The collection as data: roles, their files and their variables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


class _Loader(yaml.SafeLoader):
    """YAML with Ansible's own tags."""


for _tag in ("!vault", "!unsafe"):
    _Loader.add_constructor(_tag, lambda loader, node: loader.construct_scalar(node))


def load(path: Path) -> Any:
    # The loader is SafeLoader and two tags that give text.
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)


@dataclass(frozen=True)
class Role:
    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    def files(self, *patterns: str) -> Iterator[Path]:
        for pattern in patterns:
            yield from sorted(path for path in self.path.glob(pattern) if path.is_file())

    def _merged(self, folder: str) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for path in self.files(f"{folder}/main.yml", f"{folder}/main/*.yml"):
            merged.update(load(path) or {})
        return merged

    @property
    def defaults(self) -> dict[str, Any]:
        return self._merged("defaults")

    @property
    def vars(self) -> dict[str, Any]:
        return self._merged("vars")

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        specs: dict[str, dict[str, Any]] = load(self.path / "meta/argument_specs.yml")["argument_specs"]["main"][
            "options"
        ]
        return specs

    @property
    def tasks(self) -> list[dict[str, Any]]:
        return [task for path in self.files("tasks/**/*.yml") for task in load(path) or []]


ROLES = [Role(path) for path in sorted((ROOT / "roles").iterdir()) if path.is_dir()]
FEATURES = [role for role in ROLES if role.name != "mail"]
