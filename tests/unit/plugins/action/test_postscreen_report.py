# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The playbook, run by the real ansible-playbook on logs that lie on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

NOW = int(time.time())


def log(server: str) -> str:
    """Ten days: sixty hosts that pass, and one that sends mail and speaks too early."""
    lines = []
    for day in range(10):
        at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(NOW - day * 86400 - 60))
        for host in range(60):
            lines.append(
                f"{at} {server} postfix/postscreen[1]: CONNECT from [198.51.100.{host}]:25000 to [192.0.2.1]:25"
            )
            lines.append(f"{at} {server} postfix/postscreen[1]: PASS OLD [198.51.100.{host}]:25000")
        for line in (
            "postfix/postscreen[1]: CONNECT from [192.0.2.10]:25000 to [192.0.2.1]:25",
            "postfix/postscreen[1]: PREGREET 9 after 0 from [192.0.2.10]:25000: EHLO mx.example.net\\r\\n",
            f"postfix/smtpd[1]: 4Abcdefgh{day}: client=mx.example.net[192.0.2.10]",
            f"postfix/lmtp[1]: 4Abcdefgh{day}: to=<b@example.org>, status=sent (250 Saved)",
            f"postfix/qmgr[1]: 4Abcdefgh{day}: removed",
        ):
            lines.append(f"{at} {server} {line}")
    return "\n".join(lines) + "\n"


def play(directory: Path, collections: Path, *arguments: str) -> str:
    """Run the playbook on three servers, of which one cannot be reached; its output."""
    hosts = {
        name: {"postscreen_report_files": [str(directory / f"{name}.log")], "ansible_connection": "local"}
        for name in ("mx1", "mx2")
    }
    gone = {"mx3": {"ansible_connection": "ssh", "ansible_host": "192.0.2.3", "ansible_ssh_executable": "/bin/false"}}
    variables = {"ansible_python_interpreter": sys.executable}
    (directory / "hosts.json").write_text(json.dumps({"all": {"hosts": {**hosts, **gone}, "vars": variables}}))
    for name in hosts:
        (directory / f"{name}.log").write_text(log(name))
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            "-i",
            "hosts.json",
            "postern.mail.postscreen_report",
            *arguments,
        ],
        cwd=directory,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_HOME": str(directory / "home"),
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_FORCE_COLOR": "false",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    return done.stdout


def test_servers_together_and_each(tmp_path: Path, collections_path: Path) -> None:
    output = play(tmp_path, collections_path)
    assert "Enforcing would have stopped hosts that send you mail" in output
    assert '- {network: "192.0.2.10", comment: "mx.example.net, 20 messages' in output
    assert "Nothing could be read on mx3." in output
    written = sorted(path.name for path in (tmp_path / "postscreen_report").iterdir())
    assert written == [f"{name}.{form}" for name in ("mx1", "mx2", "postscreen_report") for form in ("html", "json")]
    together = json.loads((tmp_path / "postscreen_report" / "postscreen_report.json").read_text())
    assert (together["advice"], together["servers"]) == ("allow_first", ["mx1", "mx2"])
    assert together["good_hosts"][0]["delivered"] == 20
    assert json.loads((tmp_path / "postscreen_report" / "mx1.json").read_text())["good_hosts"][0]["delivered"] == 10


def test_who_is_allowed_in_the_inventory(tmp_path: Path, collections_path: Path) -> None:
    given = {
        "postscreen_allow": ["198.51.100.0/30", {"network": "192.0.2.10", "comment": "x"}],
        "postscreen_report_formats": "json",
        "postscreen_report_directory": "elsewhere",
    }
    output = play(tmp_path, collections_path, "-l", "mx1", "-e", json.dumps(given), "--check")
    assert "Enforcing would have stopped nobody whose mail arrived." in output
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["postscreen_report.json"]
