# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The module: what it returns, what it logs, and whether its documentation is true."""

from __future__ import annotations

import grp
import io
import json
import os
import pwd
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.postern.mail.plugins.module_utils._tree_input import ARGUMENT_SPEC
from ansible_collections.postern.mail.plugins.modules import config_tree

SECRET = "correct-horse-battery-staple"


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """A configuration that exists."""
    root = tmp_path / "etc" / "mail"
    root.mkdir(parents=True)
    (root / "main.cf").write_text("old\n")
    return root


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the module wrote to the log of the host."""
    lines: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "_log_to_syslog", lambda _self, line: lines.append(str(line)))
    monkeypatch.setattr(basic, "has_journal", False)
    return lines


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **params: Any) -> dict[str, Any]:
    """Call the module as Ansible does and return what it prints."""
    owner, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    for item in params.get("files", []):
        item |= {"owner": owner, "group": group}
    given = {"_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False} | params
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(SystemExit):
        config_tree.main()
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def test_change_then_nothing(
    dest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], logged: list[str]
) -> None:
    task = {
        "dest": str(dest),
        "files": [
            {"path": "main.cf", "content": "new\n"},
            {"path": "password", "content": f"{SECRET}\n", "secret": True},
        ],
        "_ansible_diff": True,
    }
    foreseen = call(monkeypatch, capsys, _ansible_check_mode=True, **task)
    first = call(monkeypatch, capsys, **task)
    second = call(monkeypatch, capsys, **task)
    assert foreseen == first
    assert first["files"] == [{"path": "main.cf", "state": "changed"}, {"path": "password", "state": "created"}]
    assert (first["changed"], first["repaired"], first["rolled_back"]) == (True, False, False)
    assert (second["changed"], second["files"], second["diff"]) == (False, [], [])
    assert first["diff"][0]["before"] == "old\n"
    assert SECRET not in repr([foreseen, first, second])
    assert logged
    assert SECRET not in repr(logged)


def test_failure_carries_command_status_and_output(
    dest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], logged: list[str]
) -> None:
    result = call(
        monkeypatch,
        capsys,
        dest=str(dest),
        files=[{"path": "main.cf", "content": f"{SECRET}\n", "secret": True}],
        apply=[["sh", "-c", "grep old {tree}/main.cf || { cat {tree}/main.cf; exit 5; }"]],
    )
    assert result["failed"]
    assert result["rolled_back"]
    assert (result["stage"], result["rc"], result["stdout"]) == ("apply", 5, "********\n")
    assert result["command"].startswith("sh -c")
    assert "exit status 5" in result["msg"]
    assert SECRET not in repr(result)
    assert (dest / "main.cf").read_text() == "old\n"


def test_mistakes_are_told_at_once_and_without_content(
    dest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], logged: list[str]
) -> None:
    result = call(
        monkeypatch,
        capsys,
        dest=str(dest),
        files=[{"path": "../x", "content": SECRET, "secret": True}, {"path": "y", "content": "", "mode": "9"}],
    )
    assert result["failed"]
    assert len(result["errors"]) == 2
    assert SECRET not in repr(result)
    assert (dest / "main.cf").read_text() == "old\n"


def test_repair_is_a_warning(
    dest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], logged: list[str]
) -> None:
    warnings: list[str] = []  # where Ansible itself puts them depends on what the process imported before
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda _self, warning: warnings.append(warning))
    task: dict[str, Any] = {"dest": str(dest), "files": [{"path": "main.cf", "content": "new\n"}]}
    assert call(monkeypatch, capsys, apply=["false"], **task)["failed"]
    result = call(monkeypatch, capsys, apply=["true"], **task)
    assert result["repaired"]
    assert any("an earlier run ended" in warning for warning in warnings)


def test_documentation_is_the_argument_spec() -> None:
    documented = yaml.safe_load(config_tree.DOCUMENTATION)["options"]
    assert _facts(documented, "suboptions") == _facts(ARGUMENT_SPEC, "options")


def _facts(options: dict[str, Any], below: str) -> dict[str, Any]:
    keys = ("type", "elements", "default", "required", "choices")
    return {
        name: {key: option[key] for key in keys if key in option} | {"options": _facts(option.get(below, {}), below)}
        for name, option in options.items()
    }


def test_examples_and_return_values_are_well_formed() -> None:
    for task in yaml.safe_load(config_tree.EXAMPLES):
        assert set(task["postern.mail.config_tree"]) <= set(ARGUMENT_SPEC)
    for entry in yaml.safe_load(config_tree.RETURN).values():
        assert {"description", "returned", "type"} <= set(entry)
