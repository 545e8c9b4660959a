# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What a config_tree task may say, before any host is asked."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.module_utils._tree_input import (
    Command,
    InputErrors,
    MapSpec,
    TreeSpec,
    parse,
)


def item(path: str = "main.cf", **changes: Any) -> dict[str, Any]:
    """Return one element of files as the argument spec leaves it."""
    given = {"path": path, "template": None, "content": "x", "owner": "root", "group": "root", "mode": None}
    return given | {"secret": False} | changes


def parsed(*, rendered: bool = True, **changes: Any) -> TreeSpec:
    """Parse a task that is right but for the changes."""
    params: dict[str, Any] = {"dest": "/etc/postfix", "files": [item()], "maps": [], "absent": [], "check": []}
    params |= {
        "apply": [],
        "restore": [],
        "probe": [],
        "directory_mode": "0755",
        "command_timeout": 120,
        "probe_timeout": 15,
    }
    return parse(params | {"lock_timeout": 60} | changes, rendered=rendered)


def errors(**changes: Any) -> list[str]:
    """Return the mistakes found."""
    with pytest.raises(InputErrors) as caught:
        parsed(**changes)
    return caught.value.errors


def table(source: str = "main.cf", kind: str = "lmdb") -> dict[str, Any]:
    """Return one element of maps."""
    return {"source": source, "type": kind, "command": "postmap"}


def test_task_that_is_right() -> None:
    spec = parsed(
        dest="/etc/postfix/",
        files=[item("a//b"), item("secret", secret=True), item("m", mode="0640", content="ä\n")],
        maps=[table("m", "cdb")],
        absent=["old", "old/"],
        check=["a 'b c' {tree}", ["x y", 2], {"command": "z", "silent": True}],
    )
    assert spec.dest == "/etc/postfix"
    assert [(file.path, file.mode) for file in spec.files] == [("a/b", 0o644), ("secret", 0o600), ("m", 0o640)]
    assert spec.files[2].content == "ä\n".encode()
    assert spec.maps == (MapSpec("m", "cdb"),)
    assert spec.maps[0].target == "m.cdb"
    assert spec.absent == ("old",)
    assert spec.check == (Command(("a", "b c", "{tree}")), Command(("x y", "2")), Command(("z",), silent=True))


@pytest.mark.parametrize("dest", ["etc/postfix", "/", "/etc", "//etc/", "/etc/../etc", "", "/etc/postfix/.."])
def test_dest(dest: str) -> None:
    assert len(errors(dest=dest)) == 1


@pytest.mark.parametrize("path", ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "a\nb", "a\x7f"])
def test_path(path: str) -> None:
    assert len(errors(files=[item(path)])) == 1
    assert len(errors(absent=[path])) == 1


@pytest.mark.parametrize("mode", ["420", "644", "0999", "u=rw", "", "00644x", 420])
def test_mode(mode: Any) -> None:
    assert "quoted octal string" in errors(files=[item(mode=mode)])[0]
    assert "directory_mode" in errors(directory_mode=mode)[0]


@pytest.mark.parametrize("mode", ["0644", "0604", "0601", "0642"])
def test_secret_open_to_others(mode: str) -> None:
    assert "must not be open to others" in errors(files=[item(secret=True, mode=mode)])[0]


def test_source_of_content() -> None:
    assert "either template or content" in errors(files=[item(content=None)])[0]
    assert "not both" in errors(files=[item(template="t")], rendered=False)[0]
    assert parsed(files=[item(content=None, template="t")], rendered=False).files[0].content == b""
    assert "rendered on the controller" in errors(files=[item(template="t", content=None)])[0]
    assert parsed(files=[item(content="")]).files[0].content == b""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"files": [item("a"), item("./a")]}, "already written by files[0]"),
        ({"files": [item("a"), item("a/b")]}, "cannot hold a/b"),
        ({"files": [item("a")], "absent": ["a"]}, "contradict"),
        ({"files": [item("a/b")], "absent": ["a"]}, "contradict"),
        ({"files": [item("a")], "absent": ["a/b"]}, "contradict"),
        ({"maps": [table("x")], "absent": ["x"]}, "the source is in absent"),
        ({"maps": [table("x")], "absent": ["x.lmdb"]}, "contradict"),
        ({"maps": [table("x"), table("x")]}, "already written by"),
        ({"files": [item("x.lmdb")], "maps": [table("x")]}, "already written by"),
        ({"maps": [table("../x")]}, "stay below"),
        ({"maps": [table(kind="dbm")]}, "known: lmdb, cdb, hash, btree"),
        ({"files": [item(owner="")]}, "owner is empty"),
        ({"probe_timeout": 0}, "at least 1 second"),
    ],
)
def test_contradictions(changes: dict[str, Any], words: str) -> None:
    found = errors(**changes)
    assert words in found[0], found
    assert len(found) == 1


@pytest.mark.parametrize(
    "command",
    ["", "  ", "a 'b", [], [["a"]], 5, None, {}, {"silent": True}, {"command": "a", "silent": "yes"}, {"cmd": "a"}],
)
@pytest.mark.parametrize("stage", ["check", "apply", "restore", "probe"])
def test_command(stage: str, command: Any) -> None:
    found = errors(**{stage: ["true", command]})
    assert len(found) == 1
    assert found[0].startswith(f"{stage}[1]: ")


def test_all_mistakes_at_once() -> None:
    found = errors(
        dest="x",
        files=[item("../a"), item("b", mode="7"), item("b", template="t")],
        maps=[table(kind="what")],
        absent=["b"],
        check=[""],
        lock_timeout=0,
    )
    assert len(found) == 10
