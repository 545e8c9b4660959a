# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The module on files, the journal and a Postfix that are stand-ins."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible_collections.postern.mail.plugins.module_utils import _screening_lines as lines
from ansible_collections.postern.mail.plugins.modules import postscreen_log

KEY = "abcdefghij0123456789abcdef"
NOW = int(time.time())


@pytest.fixture(autouse=True)
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing but what a test puts into bin."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(postscreen_log, "_PLACES", [])
    monkeypatch.setattr(lines, "PLACES", (f"{tmp_path}/log/mail.log*",))
    monkeypatch.setattr(os, "nice", lambda _by: 0)
    (tmp_path / "log").mkdir()
    real = basic.AnsibleModule.get_bin_path

    def only_ours(module: Any, name: str, *arguments: Any, **more: Any) -> Any:
        ours = tmp_path / "bin" / name
        return (
            str(ours)
            if ours.exists()
            else None
            if name in ("postconf", "postmap", "journalctl")
            else real(module, name)
        )

    monkeypatch.setattr(basic.AnsibleModule, "get_bin_path", only_ours)
    return tmp_path


def program(system: Path, name: str, body: str) -> None:
    path = system / "bin" / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def stamp(ago: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(NOW - ago))


def session(ago: int, address: str = "192.0.2.7") -> str:
    return (
        f"{stamp(ago)} mx1 postfix/postscreen[7]: CONNECT from [{address}]:25000 to [192.0.2.1]:25\n"
        f"{stamp(ago)} mx1 postfix/postscreen[7]: PREGREET 4 after 0 from [{address}]:25000: x\n"
    )


def write(path: Path, text: str, ago: int = 0) -> None:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    os.utime(path, (NOW - ago, NOW - ago))


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **params: Any) -> dict[str, Any]:
    """Call the module as Ansible does and return what it prints."""
    given = {"_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": False, "name": "mx1"} | params
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(SystemExit):
        postscreen_log.main()
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def test_rotated_files(system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    log = system / "log"
    write(log / "mail.log", session(60))
    write(log / "mail.log.1", session(3 * 86400, "192.0.2.8"), 2 * 86400)
    write(log / "mail.log.2.gz", session(9 * 86400, "192.0.2.9") + session(40 * 86400), 8 * 86400)
    write(log / "mail.log.3.gz", "broken", 20 * 86400)
    result = call(monkeypatch, capsys)
    assert (result["changed"], result["name"], result["notes"]) == (False, "mx1", [])
    assert sorted(one["address"] for one in result["clients"]) == ["192.0.2.7", "192.0.2.8", "192.0.2.9"]
    assert result["hosts"]["stopped"] == 3 and len(result["days"]) == 3
    assert "mail.log.2.gz" in result["source"] and "mail.log.3.gz" not in result["source"]
    assert result["until"] - result["since"] == 14 * 86400
    assert [one["address"] for one in call(monkeypatch, capsys, days=1)["clients"]] == ["192.0.2.7"]


@pytest.mark.parametrize(
    ("journal_ago", "file_ago", "written_ago", "source"),
    [
        (10 * 86400, 5 * 86400, 60, "journal"),
        (5 * 86400, 10 * 86400, 60, "files"),
        (5 * 86400, 5 * 86400, 60, "journal"),
        (5 * 86400, 12 * 86400, 11 * 86400, "journal"),
        (None, 86400, 60, "files"),
        (86400, None, 60, "journal"),
    ],
)
def test_what_reaches_back_further_is_read(
    journal_ago: int | None,
    file_ago: int | None,
    written_ago: int,
    source: str,
    system: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = "" if journal_ago is None else f"{NOW - journal_ago}.5 mx1 postfix/postscreen[1]: PASS NEW [192.0.2.1]:25000"
    program(system, "journalctl", f"printf '%s\\n' '{told}'")
    if file_ago is not None:
        write(system / "log" / "mail.log", session(file_ago), written_ago)
    assert call(monkeypatch, capsys)["source"].startswith(source)
    assert call(monkeypatch, capsys, source="journal")["source"] == "journal"


def test_files_that_are_named(
    system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program(system, "journalctl", f"echo '{NOW - 9 * 86400}.5 mx1 postfix/postscreen[1]: PASS NEW [192.0.2.1]:25000'")
    write(system / "other.log", session(60))
    assert call(monkeypatch, capsys, files=[f"{system}/other.*"])["hosts"]["stopped"] == 1
    nothing = call(monkeypatch, capsys, files=[f"{system}/gone.log"])
    assert nothing["lines"] == 0 and "gone.log" in nothing["notes"][0]


def test_how_postscreen_is_set_up(
    system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = (
        f"postscreen_dnsbl_sites = {KEY}.zen.dq.example.net*2 tiny1.list.example\n"
        "postscreen_dnsbl_reply_map = texthash:/etc/postfix/reply\npostscreen_greet_action = enforce\n"
        f"mail_version = 3.10.5\nmaillog_file = /var/log/nowhere.log"
    )
    program(system, "postconf", f"[ \"$1\" = -M ] && echo 'smtp inet n - n - 1 postscreen' || cat <<E\n{parameters}\nE")
    program(system, "postmap", '[ "$2" = tiny1.list.example ] && echo list.example || exit 1')
    listed = (
        f"{stamp(60)} mx1 postfix/dnsblog[7]: addr 192.0.2.7 listed by domain {KEY}.zen.dq.example.net as 127.0.0.4\n"
    )
    listed += listed.replace(f"{KEY}.zen.dq.example.net", "tiny1.list.example")
    write(system / "log" / "mail.log", session(61) + listed)
    result = call(monkeypatch, capsys)
    assert [site["domain"] for site in result["settings"]["sites"]] == ["zen.dq.example.net", "list.example"]
    assert (result["settings"]["actions"]["greet"], result["settings"]["running"]) == ("enforce", True)
    assert KEY not in json.dumps(result) and "tiny1" not in json.dumps(result)


def test_a_host_without_anything(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no journalctl" in call(monkeypatch, capsys)["msg"]
    assert call(monkeypatch, capsys, source="files")["lines"] == 0
    assert "days must be" in call(monkeypatch, capsys, days=0)["msg"]
