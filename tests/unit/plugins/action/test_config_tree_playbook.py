# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""A role that uses config_tree, run by the real ansible-playbook on this machine."""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SECRET = "correct-horse-battery-staple"
MAIN = """{
 "managed": "{{ ansible_managed }}", {# not a comment of the file #}
{% for domain in domains %}
 "{{ domain }}": "$1 \\n",
{% endfor %}
{% include 'tail.j2' %}
}
"""


class Playbook:
    """A playbook with one role."""

    def __init__(self, root: Path, collections: Path) -> None:
        self.root = root
        self.dest = root / "etc" / "mail"
        self.dest.parent.mkdir(parents=True)
        self.collections = collections
        role = root / "roles" / "demo"
        (role / "tasks").mkdir(parents=True)
        (role / "templates").mkdir()
        (role / "templates" / "main.cf.j2").write_text(MAIN)
        (role / "templates" / "tail.j2").write_text(' "tail": 1\n')
        (role / "templates" / "undefined.j2").write_text("{{ nowhere_defined }}")
        self.tasks = role / "tasks" / "main.yml"
        variables = {"domains": ["example.org", "example.net"], "password": SECRET}
        play = {"hosts": "all", "gather_facts": False, "vars": variables, "roles": ["demo"]}
        (root / "play.yml").write_text(json.dumps([play]))

    def task(self, name: str = "right", main: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """Return a task that is right but for the changes; it may fail without ending the play."""
        secret = {"path": "sub/password", "content": "{{ password }}\n", "secret": True}
        files = [main or {"path": "main.cf", "template": "main.cf.j2"}, secret]
        owner = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
        task = {"dest": str(self.dest), "files": [owner | item for item in files]} | changes
        return {"name": name, "ignore_errors": True, "postern.mail.config_tree": task}

    def run(self, tasks: list[dict[str, Any]], *options: str) -> str:
        """Run the tasks and return all output."""
        self.tasks.write_text(json.dumps(tasks))
        program = Path(sys.executable).with_name("ansible-playbook")
        command = [program, "-i", "mx1.example.org,", "-c", "local", "play.yml", *options]
        environment = os.environ | {
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_HOME": str(self.root / "ansible"),
            "ANSIBLE_LOCAL_TEMP": str(self.root / "ansible" / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self.root / "ansible" / "tmp"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_NO_TARGET_SYSLOG": "1",
            "PYTHONPATH": "",
        }
        environment.pop("ANSIBLE_CONFIG", None)
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)
        assert SECRET not in done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def playbook(tmp_path: Path, collections_path: Path) -> Playbook:
    """A playbook in a directory of its own."""
    return Playbook(tmp_path, collections_path)


def test_from_the_first_check_to_the_second_run(playbook: Playbook) -> None:
    tasks = [playbook.task(check=["grep -q managed {tree}/main.cf"])]
    foreseen = playbook.run(tasks, "--check", "--diff", "-vvv")
    assert "changed=1" in foreseen, foreseen
    assert list(playbook.dest.parent.iterdir()) == []
    reference = playbook.root / "reference"
    template = {"ansible.builtin.template": {"src": "main.cf.j2", "dest": str(reference)}}
    first = playbook.run([*tasks, template], "--diff", "-vvv")
    assert "changed=2" in first, first
    assert (playbook.dest / "main.cf").read_bytes() == reference.read_bytes()
    assert "Ansible managed" in reference.read_text()
    assert (playbook.dest / "sub" / "password").read_text() == f"{SECRET}\n"
    assert (playbook.dest / "sub" / "password").stat().st_mode & 0o777 == 0o600
    second = playbook.run(tasks, "--diff", "-vvv")
    assert "changed=0" in second, second
    for output in (foreseen, first):
        assert '+ "example.net": "$1 \\n",' in output
        assert "content of a secret file, not shown" in output
    for output in (foreseen, second):
        assert "module_args" not in output


def test_failures_tell_everything_but_the_secret(playbook: Playbook) -> None:
    tasks = [
        playbook.task("mistakes", {"path": "../main.cf", "template": "x.j2", "content": "y"}, probe=[{"cmd": "x"}]),
        playbook.task("undefined", {"path": "main.cf", "template": "undefined.j2"}),
        playbook.task("missing", {"path": "main.cf", "template": "missing.j2"}),
        playbook.task("no text", {"path": "main.cf", "content": "{{ domains }}"}),
        playbook.task("check", check=[["sh", "-c", "cat {tree}/sub/password >&2; exit 4"]]),
    ]
    output = playbook.run(tasks, "-vvv")
    told = dict(zip(("", "mistakes", "undefined", "missing", "no text", "check"), output.split("TASK ["), strict=True))
    for name, words in (
        ("mistakes", ("mistakes in the task: 3", "stay below it", "not both", "unknown keys cmd")),
        ("undefined", ("files[0] (main.cf)", "undefined.j2", "nowhere_defined")),
        ("missing", ("files[0] (main.cf)", "missing.j2", "could not be found")),
        ("no text", ("files[0] (main.cf): content must be text, it is a list",)),
        ("check", ("check failed", "exit status 4: ********", "is as it was")),
    ):
        for word in words:
            assert word in told[name], told[name]
    assert "ignored=5" in told["check"]
    assert list(playbook.dest.parent.iterdir()) == []
