# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What a config_tree task may say: its argument spec, its typed form, and every rule that needs no host to check."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# postmap(1), DATABASE_README: the suffix that each compiled table type adds to the name of its source.
MAP_SUFFIXES = {"lmdb": ".lmdb", "cdb": ".cdb", "hash": ".db", "btree": ".db"}
MAP_COMMANDS = ("postmap", "postalias")

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "dest": {"type": "path", "required": True},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "template": {"type": "str"},
            "content": {"type": "str"},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "mode": {"type": "str"},
            "secret": {"type": "bool", "default": False, "no_log": False},
        },
    },
    "maps": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "source": {"type": "str", "required": True},
            "type": {"type": "str", "required": True},
            "command": {"type": "str", "default": "postmap", "choices": list(MAP_COMMANDS)},
        },
    },
    "absent": {"type": "list", "elements": "str", "default": []},
    "mask": {"type": "list", "elements": "str", "default": [], "no_log": True},  # AnsibleModule does the rest
    "check": {"type": "list", "elements": "raw", "default": []},
    "apply": {"type": "list", "elements": "raw", "default": []},
    "restore": {"type": "list", "elements": "raw", "default": []},
    "probe": {"type": "list", "elements": "raw", "default": []},
    "directory_mode": {"type": "str", "default": "0755"},
    "command_timeout": {"type": "int", "default": 120},
    "probe_timeout": {"type": "int", "default": 15},
    "lock_timeout": {"type": "int", "default": 60},
}

_MODE = re.compile(r"^0[0-7]{3,4}$")


class InputErrors(ValueError):
    """Everything that is wrong with a task, found before anything was touched.

    Attributes:
        errors: one sentence a mistake, each naming the element it is about.
    """

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors: list[str] = list(errors)
        super().__init__("; ".join(self.errors))


@dataclass(frozen=True)
class FileSpec:
    """One managed file. `path` is relative to the tree, `mode` the permission bits, `content` the exact bytes."""

    path: str
    content: bytes
    owner: str
    group: str
    mode: int
    secret: bool


@dataclass(frozen=True)
class MapSpec:
    """One table to compile: `source` is relative to the tree, `target` is what the compiler writes beside it."""

    source: str
    type: str
    command: str = "postmap"

    @property
    def target(self) -> str:
        """Path of the compiled table, relative to the tree."""
        return self.source + MAP_SUFFIXES[self.type]


@dataclass(frozen=True)
class Command:
    """A program and its arguments; with `silent`, a word on stderr is a failure even when the exit status is 0."""

    argv: tuple[str, ...]
    silent: bool = False


@dataclass(frozen=True)
class TreeSpec:
    """One checked task. Timeouts are seconds, `directory_mode` the permission bits of new directories."""

    dest: str
    files: tuple[FileSpec, ...] = ()
    maps: tuple[MapSpec, ...] = ()
    absent: tuple[str, ...] = ()
    check: tuple[Command, ...] = ()
    apply: tuple[Command, ...] = ()
    restore: tuple[Command, ...] = ()
    probe: tuple[Command, ...] = ()
    directory_mode: int = 0o755
    command_timeout: int = 120
    probe_timeout: int = 15
    lock_timeout: int = 60

    @property
    def commands(self) -> tuple[Command, ...]:
        """Every command of the task."""
        return self.check + self.apply + self.restore + self.probe


def parse(params: Mapping[str, Any], *, rendered: bool = True) -> TreeSpec:
    """Turn module parameters that passed ARGUMENT_SPEC into a TreeSpec.

    Args:
        params: the parameters, defaults filled in.
        rendered: False on the controller before templates are rendered (a file may still name a template).

    Raises:
        InputErrors: with every mistake found, not only the first.
    """
    errors: list[str] = []
    spec = TreeSpec(
        dest=_dest(params["dest"], errors),
        files=tuple(_file(i, item, rendered, errors) for i, item in enumerate(params["files"] or [])),
        maps=tuple(_maps(params["maps"] or [], errors)),
        absent=tuple(
            dict.fromkeys(_path(f"absent[{i}]", item, errors) for i, item in enumerate(params["absent"] or []))
        ),
        check=tuple(_commands("check", params["check"] or [], errors)),
        apply=tuple(_commands("apply", params["apply"] or [], errors)),
        restore=tuple(_commands("restore", params["restore"] or [], errors)),
        probe=tuple(_commands("probe", params["probe"] or [], errors)),
        directory_mode=_mode("directory_mode", params["directory_mode"], errors),
        **{key: _seconds(key, params[key], errors) for key in ("command_timeout", "probe_timeout", "lock_timeout")},
    )
    errors.extend(_collisions(spec))
    if errors:
        raise InputErrors(errors)
    return spec


def _dest(value: str, errors: list[str]) -> str:
    dest = posixpath.normpath(value)
    # The whole directory is copied and exchanged: right for /etc/postfix, a disaster for /etc.
    if not value.startswith("/") or ".." in value.split("/"):
        errors.append(f"dest: {value!r} must be an absolute path without '..'")
    elif dest.strip("/").count("/") < 1:
        errors.append(f"dest: {value!r} must be the directory of one configuration, such as /etc/postfix")
    return "/" + dest.lstrip("/")


def _path(where: str, value: str, errors: list[str]) -> str:
    path = posixpath.normpath(value)
    if not value or path in (".", "..") or path.startswith(("/", "../")):
        errors.append(f"{where}: path {value!r} must be relative to dest and stay below it")
    elif any(ord(char) < 32 or ord(char) == 127 for char in value):
        errors.append(f"{where}: path {value!r} holds a control character")
    return path


def _mode(where: str, value: object, errors: list[str]) -> int:
    # YAML reads a bare 0644 as the number 420: a mode that is not a quoted string is a mode nobody meant.
    if isinstance(value, str) and _MODE.match(value):
        return int(value, 8)
    errors.append(f'{where}: mode {value!r} must be a quoted octal string with a leading zero, such as "0644"')
    return 0


def _seconds(where: str, value: int, errors: list[str]) -> int:
    if value < 1:
        errors.append(f"{where}: {value} must be at least 1 second")
    return value


def _file(index: int, item: Mapping[str, Any], rendered: bool, errors: list[str]) -> FileSpec:
    where = f"files[{index}] ({item['path']})"
    template, content = item.get("template"), item.get("content")
    if rendered and template is not None:
        errors.append(f"{where}: templates are rendered on the controller; the module itself takes content")
    elif (template is None) == (content is None):
        errors.append(f"{where}: give either template or content" + (", not both" if template is not None else ""))
    for key in ("owner", "group"):
        if not item[key]:
            errors.append(f"{where}: {key} is empty")
    secret = bool(item["secret"])
    mode = item.get("mode")
    bits = _mode(where, mode, errors) if mode is not None else (0o600 if secret else 0o644)
    if secret and bits & 0o007:
        errors.append(f"{where}: a secret file must not be open to others, mode {mode} is; 0640 or 0600 is not")
    return FileSpec(
        path=_path(where, item["path"], errors),
        content=(content or "").encode("utf-8", "surrogateescape"),
        owner=item["owner"],
        group=item["group"],
        mode=bits,
        secret=secret,
    )


def _maps(items: Iterable[Mapping[str, Any]], errors: list[str]) -> Iterable[MapSpec]:
    for index, item in enumerate(items):
        where = f"maps[{index}] ({item['source']})"
        source = _path(where, item["source"], errors)
        if item["type"] in MAP_SUFFIXES:
            yield MapSpec(source, item["type"], item["command"])
        else:
            errors.append(f"{where}: unknown map type {item['type']!r}; known: {', '.join(MAP_SUFFIXES)}")


def _commands(where: str, items: Iterable[Any], errors: list[str]) -> Iterable[Command]:
    for index, item in enumerate(items):
        command = item.get("command") if isinstance(item, Mapping) else item
        silent = item.get("silent", False) if isinstance(item, Mapping) else False
        unknown = sorted(str(key) for key in set(item) - {"command", "silent"}) if isinstance(item, Mapping) else []
        problem = f"unknown keys {', '.join(unknown)}" if unknown else ""
        argv: list[str] = []
        if problem:
            pass
        elif not isinstance(silent, bool):
            problem = "silent must be true or false"
        elif isinstance(command, str):
            try:
                argv = shlex.split(command)
            except ValueError as error:
                problem = f"{command!r}: {error}"
        elif isinstance(command, (list, tuple)) and all(isinstance(word, (str, int)) for word in command):
            argv = [str(word) for word in command]
        else:
            problem = "a command is a string, a list of words, or {command: ..., silent: true}"
        if not problem and not argv:
            problem = "the command is empty"
        if problem:
            errors.append(f"{where}[{index}]: {problem}")
        else:
            yield Command(tuple(argv), silent)


def _inside(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory + "/")


def _collisions(spec: TreeSpec) -> Iterable[str]:
    """Yield what two elements cannot both have: one path twice, a file below a file, a wanted path in absent."""
    wanted = [(f"files[{i}] ({file.path})", file.path) for i, file in enumerate(spec.files)]
    made = wanted + [(f"the compiled map of {item.source}", item.target) for item in spec.maps]
    seen: dict[str, str] = {}
    for where, path in made:
        if path in seen:
            yield f"{where}: {path} is already written by {seen[path]}"
        seen.setdefault(path, where)
    for where, path in made:
        for parent, other in seen.items():
            if path != parent and _inside(path, parent):
                yield f"{where}: {parent} is a file ({other}), it cannot hold {path}"
        for gone in spec.absent:
            if _inside(path, gone) or _inside(gone, path):
                yield f"{where}: {path} and absent path {gone} contradict each other"
    for item in spec.maps:
        if any(_inside(item.source, gone) for gone in spec.absent):
            yield f"maps ({item.source}): the source is in absent"
