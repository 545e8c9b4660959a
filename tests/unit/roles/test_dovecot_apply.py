# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What dovecot-apply does to the service and to whose sessions, with stand-ins for systemctl and doveadm."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[3] / "roles/dovecot/files/dovecot-apply"

CONFIGURATION = "protocols = imap lmtp\nservice imap-login {\n}\nservice lmtp {\n}\n"
PASSWORDS = "# comment\nalice@example.org:{ARGON2ID}a\nbob@example.org:{ARGON2ID}b\n"
HEADING = "username\tservice\tpid\tip"

Apply = Callable[[], list[str]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    directory = tmp_path / "dovecot"
    directory.mkdir()
    (directory / "dovecot.conf").write_text(CONFIGURATION)
    (directory / "openssl.cnf").write_text("")
    (directory / "passwords").write_text(PASSWORDS)
    return directory


@pytest.fixture
def apply(tree: Path, tmp_path: Path) -> Apply:
    """Runs the program; the answer is what it asked of the system that changes anything."""
    programs, log = tmp_path / "bin", tmp_path / "log"
    programs.mkdir()
    sessions = "\n".join([HEADING, *(f"{user}@example.org\timap\t1\t192.0.2.1" for user in ("alice", "bob", "alice"))])
    answers = {
        "systemctl": "",
        "journalctl": "echo what Dovecot said",
        "doveadm": f"case $* in *who*) printf '%s\\n' '{sessions}';; esac",
    }
    for name, answer in answers.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n{answer}\n')
        program.chmod(0o755)

    def run() -> list[str]:
        log.write_text("")
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        command = [sys.executable, str(PROGRAM), str(tree), "--state", str(tmp_path / "state.json")]
        subprocess.run(command, env=environment, check=True)
        return [line for line in log.read_text().splitlines() if " is-active " not in line and " who " not in line]

    return run


def test_first_run_starts_with_everything_new(apply: Apply) -> None:
    assert apply() == [
        "systemctl restart dovecot.service",
        "doveadm kick alice@example.org",
        "doveadm kick bob@example.org",
    ]


def test_same_configuration_disturbs_nobody(apply: Apply) -> None:
    apply()
    assert apply() == []


def test_changed_setting_is_a_reload(apply: Apply, tree: Path) -> None:
    apply()
    (tree / "dovecot.conf").write_text("hostname = mx\n" + CONFIGURATION)
    assert apply() == ["systemctl reload dovecot.service"]


def test_file_put_back_after_an_edit_is_a_reload(apply: Apply, tree: Path) -> None:
    """The daemon may have been given the edited one meanwhile."""
    apply()
    os.utime(tree / "openssl.cnf", ns=(1, 1))
    assert apply() == ["systemctl reload dovecot.service"]


@pytest.mark.parametrize(
    "configuration",
    [
        CONFIGURATION + "service pop3-login {\n}\n",
        CONFIGURATION.replace("service lmtp {\n}\n", ""),
        "listen = 192.0.2.1\n" + CONFIGURATION,
        CONFIGURATION.replace("login {\n", "login {\n  inet_listener imap {\n    port = 143\n  }\n"),
    ],
    ids=["another service", "a service less", "another address", "another port"],
)
def test_other_listeners_are_a_restart(apply: Apply, tree: Path, configuration: str) -> None:
    apply()
    (tree / "dovecot.conf").write_text(configuration)
    assert apply() == ["systemctl restart dovecot.service"]


@pytest.mark.parametrize("entry", ["alice@example.org:{ARGON2ID}new\n", ""], ids=["new password", "gone or disabled"])
def test_only_the_sessions_of_a_changed_account_end(apply: Apply, tree: Path, entry: str) -> None:
    apply()
    (tree / "passwords").write_text(PASSWORDS.replace("alice@example.org:{ARGON2ID}a\n", entry))
    assert apply() == ["doveadm kick alice@example.org"]
    # The stand-in for doveadm goes on showing a session; of a user who is gone there must be none.
    assert apply() == ([] if entry else ["doveadm kick alice@example.org"])


def test_state_holds_no_password_and_is_root_s_alone(apply: Apply, tmp_path: Path) -> None:
    apply()
    state = tmp_path / "state.json"
    assert "ARGON2ID" not in state.read_text()
    assert state.stat().st_mode & 0o077 == 0


def test_damaged_state_counts_as_none(apply: Apply, tmp_path: Path) -> None:
    first = apply()
    (tmp_path / "state.json").write_text("{")
    assert apply() == first


def test_failed_reload_says_why_and_is_tried_again(
    apply: Apply, tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    apply()
    good = tmp_path / "systemctl"
    shutil.copy(tmp_path / "bin/systemctl", good)
    (tmp_path / "bin/systemctl").write_text("#!/bin/sh\ncase $1 in reload) exit 1;; esac\n")
    (tree / "dovecot.conf").write_text("hostname = mx\n" + CONFIGURATION)
    with pytest.raises(subprocess.CalledProcessError):
        apply()
    assert "what Dovecot said" in capfd.readouterr().err
    shutil.copy(good, tmp_path / "bin/systemctl")
    assert apply() == ["systemctl reload dovecot.service"]
