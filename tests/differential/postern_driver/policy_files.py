# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Writes main.cf, master.cf and the tables of a case, and takes the tables away again."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postern_driver.stubs import Service, policy_service

CONFIG = Path("/etc/postfix")
INDEXED = ("btree", "cdb", "dbm", "hash", "lmdb", "sdbm")
_SUFFIXES = ("", ".db", ".cdb", ".lmdb", ".dir", ".pag")
_PAST = 1_000_000_000  # a main.cf changed in the last seconds is read again until it is stable: 2 s a process


class Files:
    """What a case put on disk, and the policy services it needs."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        self._paths: list[Path] = []
        self._services: list[Service] = []
        self.verify: dict[str, str] = {}
        self.main_cf = "".join(f"{name} = {_value(value)}\n" for name, value in case["params"].items())
        _write(CONFIG / "main.cf", self.main_cf)
        self.overrides = _overrides(case.get("master"), case.get("service", "smtp/inet"))
        everything = "\n".join([self.main_cf, *self.overrides.values()])
        for name, content in case.get("tables", {}).items():
            self._add(name, content, everything)
        _write(CONFIG / "main.cf", self.main_cf)  # postmap may look at it

    def _add(self, name: str, content: Any, everything: str) -> None:
        kind, colon, path = name.partition(":")
        if kind == "verify" and colon:
            self.verify[path] = content
        elif kind in ("unix", "inet") and colon:
            if content:
                self._services.append(policy_service(name, content))
        elif not colon:
            self._add_table("", name, content, everything)
        else:
            self._add_table(kind, path, content, everything)

    def _add_table(self, kind: str, name: str, content: Any, everything: str) -> None:
        path = name.replace("${config_directory}", str(CONFIG)).replace("$config_directory", str(CONFIG))
        text = content if isinstance(content, str) else "".join(f"{key} {value}\n" for key, value in content.items())
        _write(Path(path), text)
        self._paths.append(Path(path))
        wanted = {kind} if kind else set(re.findall(rf"(\w+):{re.escape(name)}(?![\w./-])", everything))
        for indexed in wanted.intersection(INDEXED):
            command = ["postmap", "-c", str(_empty_config()), f"{indexed}:{path}"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
            for suffix in _SUFFIXES:
                with contextlib.suppress(FileNotFoundError):
                    os.utime(path + suffix, (_PAST + 10, _PAST + 10))  # newer than its source, as it should be

    def remove(self) -> None:
        """Undo everything."""
        for service in self._services:
            service.close()
        for path in self._paths:
            for suffix in _SUFFIXES:
                Path(f"{path}{suffix}").unlink(missing_ok=True)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return re.sub(r"\n(?=[^ \t#\n])", "\n    ", str(value).strip("\n"))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (_PAST, _PAST))


def _empty_config() -> Path:
    """A configuration for postconf and postmap alone, with the case's tables types but not its parameters."""
    folder = Path("/etc/postern-empty")
    if not folder.exists():
        _write(folder / "main.cf", "compatibility_level = 3.6\n")
        _write(folder / "master.cf", "")
    return folder


_OVERRIDES: dict[str, dict[str, dict[str, str]]] = {}


def _overrides(master: Any, service: str) -> dict[str, str]:
    """The -o of a service, as postconf -P reads them from master.cf."""
    if not master:
        return {}
    text = master if isinstance(master, str) else "\n".join(master) + "\n"
    if text not in _OVERRIDES:
        folder = _empty_config()
        _write(folder / "master.cf", text)
        done = subprocess.run(["postconf", "-c", str(folder), "-P"], capture_output=True, text=True, check=False)
        found: dict[str, dict[str, str]] = {}
        for line in done.stdout.splitlines():
            path, _equals, value = line.partition(" = ")
            name, kind, parameter = path.rstrip(" =").rsplit("/", 2)
            found.setdefault(f"{name}/{kind}", {})[parameter] = value
        _OVERRIDES[text] = found
    return _OVERRIDES[text].get(service, {})
