# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Compare a config_tree task with what is on disk: the same answer for check mode, diff and the real run."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ._tree_disk import walk
from ._tree_input import FileSpec, InputErrors, MapSpec, TreeSpec


@dataclass(frozen=True)
class Node:
    """What is at a path now. `content` is only read of regular files."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int
    content: bytes | None

    @property
    def attributes(self) -> tuple[int | None, int | None, int]:
        """Owner, group and permission bits, comparable with Change.attributes."""
        return self.uid, self.gid, stat.S_IMODE(self.mode)


@dataclass(frozen=True)
class Change:
    """One path that differs: `state` is created, changed, attributes or removed.

    `attributes` are owner, group (None: no such account yet) and permission bits wanted; None for removals.
    """

    path: str
    state: str
    node: Node | None
    wanted: FileSpec | MapSpec | None = None
    attributes: tuple[int | None, int | None, int] | None = None


@dataclass
class Plan:
    """Every difference, in the order of the task, and what the secret files held and shall hold."""

    changes: list[Change] = field(default_factory=list)
    secrets: list[bytes] = field(default_factory=list)

    @property
    def files(self) -> list[dict[str, str]]:
        """The result's list of paths and states."""
        return [{"path": change.path, "state": change.state} for change in self.changes]


def read_node(path: str) -> Node | None:
    """Return what is at a path without following a link, None when nothing is."""
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    content = None
    if stat.S_ISREG(info.st_mode):
        with open(path, "rb") as stream:
            content = stream.read()
    return Node(info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns, content)


def make_plan(spec: TreeSpec, root: str, *, accounts_may_be_missing: bool = False) -> Plan:
    """Compare the task with the tree at root (which need not exist).

    Args:
        accounts_may_be_missing: True in check mode, when the package that creates an account is not installed yet.

    Raises:
        InputErrors: everything about the task that cannot work on this host.
    """
    errors: list[str] = []
    plan = Plan()
    final: dict[str, tuple[int | None, int | None, int]] = {}
    for item in spec.files:
        errors.extend(_obstacles(item.path, root))
        uid = _account("owner", item.owner, item.path, errors, accounts_may_be_missing)
        gid = _account("group", item.group, item.path, errors, accounts_may_be_missing)
        wanted = final[item.path] = (uid, gid, item.mode)
        node = read_node(os.path.join(root, item.path))
        if item.secret:
            plan.secrets += [item.content, (node.content if node else None) or b""]
        if (state := _file_state(item, wanted, node)) is not None:
            plan.changes.append(Change(item.path, state, node, item, wanted))
    rewritten = {change.path for change in plan.changes if change.state in ("created", "changed")}
    for table in spec.maps:
        if (found := _map_change(table, root, final.get(table.source), table.source in rewritten, errors)) is not None:
            plan.changes.append(found)
    for path in spec.absent:
        errors.extend(_obstacles(path, root, itself=False))
        if (node := read_node(os.path.join(root, path))) is not None:
            plan.changes.append(Change(path, "removed", node))
    if errors:
        raise InputErrors(errors)
    return plan


def _file_state(item: FileSpec, wanted: tuple[int | None, int | None, int], node: Node | None) -> str | None:
    if node is None:
        return "created"
    if node.content != item.content:  # a symbolic link has no content: it is replaced by a file of our own
        return "changed"
    return "attributes" if node.attributes != wanted else None


def _map_change(
    table: MapSpec, root: str, managed: tuple[int | None, int | None, int] | None, rewritten: bool, errors: list[str]
) -> Change | None:
    source = read_node(os.path.join(root, table.source))
    if managed is None and (source is None or source.content is None):
        errors.append(f"maps ({table.source}): is neither in files nor a file in {root}")
        return None
    errors.extend(_obstacles(table.target, root))
    # A compiled table tells as much as its source: it gets the same owner, group and mode.
    wanted = managed if managed is not None or source is None else source.attributes
    node = read_node(os.path.join(root, table.target))
    if node is None:
        return Change(table.target, "created", None, table, wanted)
    if rewritten or node.content is None or source is None or node.mtime_ns < source.mtime_ns:
        return Change(table.target, "changed", node, table, wanted)
    return Change(table.target, "attributes", node, table, wanted) if node.attributes != wanted else None


def _obstacles(path: str, root: str, *, itself: bool = True) -> Iterator[str]:
    """Yield why a path cannot be written: a link or a file where a directory is needed, a directory in its place."""
    parents = path.split("/")[:-1]
    for depth in range(1, len(parents) + 1):
        parent = os.path.join(root, *parents[:depth])
        if os.path.islink(parent):
            yield f"{path}: {parent} is a symbolic link; the file would be written outside of the tree"
            return
        if os.path.lexists(parent) and not os.path.isdir(parent):
            if itself:
                yield f"{path}: {parent} is not a directory"
            return
    target = os.path.join(root, path)
    if itself and os.path.isdir(target) and not os.path.islink(target):
        yield f"{path}: is a directory in {root}; config_tree does not replace a directory by a file"


def _account(kind: str, name: str, path: str, errors: list[str], may_be_missing: bool) -> int | None:
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid if kind == "owner" else grp.getgrnam(name).gr_gid
    except KeyError:
        if not may_be_missing:
            errors.append(f"{path}: {kind} {name!r} does not exist on this host")
        return None


def make_diff(plan: Plan, dest: str, root: str) -> list[dict[str, str]]:
    """Return what --diff shows, one entry a path; nothing of a secret file but that it changes.

    Args:
        dest: the directory as the reader knows it.
        root: where the compared tree is (differs from dest only while a killed run is not repaired).
    """
    return [entry for change in plan.changes for entry in _diff_entries(change, dest, root)]


def _diff_entries(change: Change, dest: str, root: str) -> Iterator[dict[str, str]]:
    header = os.path.join(dest, change.path)
    node, wanted = change.node, change.wanted
    before = after = ""
    if change.state == "removed":
        yield {
            "before_header": header,
            "after_header": f"{header} (absent)",
            "before": _removed(change, root),
            "after": "",
        }
        return
    if change.state != "attributes":
        if isinstance(wanted, MapSpec):
            before = "compiled table, older than its source\n" if node else ""
            after = f"compiled table, made by {wanted.command} {wanted.type}:{wanted.source}\n"
        elif isinstance(wanted, FileSpec):
            hidden = wanted.secret or (node is not None and not node.mode & 0o004 and bool(wanted.mode & 0o004))
            before = _text(node, hidden, "old") if node else ""
            after = _shown(wanted.content, wanted.secret, "new")
        yield {"before_header": header, "after_header": header, "before": before, "after": after}
    if node is not None and change.attributes is not None and node.attributes != change.attributes:
        yield {
            "before_header": f"{header} (attributes)",
            "after_header": f"{header} (attributes)",
            "before": _attributes(node.attributes, None),
            "after": _attributes(change.attributes, wanted),
        }


def _text(node: Node, hidden: bool, age: str) -> str:
    return "not a regular file\n" if node.content is None else _shown(node.content, hidden, age)


def _shown(content: bytes, hidden: bool, age: str) -> str:
    if hidden:
        return f"({age} content of a secret file, not shown)\n"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return f"({len(content)} bytes that are no text, SHA-256 {hashlib.sha256(content).hexdigest()})\n"
    return text


def _removed(change: Change, root: str) -> str:
    node = change.node
    if node is None or stat.S_ISDIR(node.mode):
        names = (path for path, _info in walk(os.path.join(root, change.path)))
        return "".join(f"{change.path}/{name}\n" for name in ("", *names))
    # Nobody says of a file to remove whether it is a secret; one that not everybody may read is taken for one.
    return _text(node, not node.mode & 0o004, "old")


def _attributes(attributes: tuple[int | None, int | None, int], wanted: FileSpec | MapSpec | None) -> str:
    names = (wanted.owner, wanted.group) if isinstance(wanted, FileSpec) else ("", "")
    owner = names[0] or _name(attributes[0], lambda uid: pwd.getpwuid(uid).pw_name)
    group = names[1] or _name(attributes[1], lambda gid: grp.getgrgid(gid).gr_name)
    return f"owner: {owner}\ngroup: {group}\nmode: {attributes[2]:04o}\n"


def _name(number: int | None, look_up: Callable[[int], str]) -> str:
    if number is None:
        return "(no such account yet)"
    try:
        return look_up(number)
    except KeyError:
        return str(number)
