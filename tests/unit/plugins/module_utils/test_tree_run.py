# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Commands, and secrets in what they print."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.postern.mail.plugins.module_utils._tree_run import Masker, run


def test_output_and_status() -> None:
    outcome = run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=9, cwd="/")
    assert (outcome.rc, outcome.stdout, outcome.stderr) == (3, "out\n", "err\n")
    assert outcome.problem == "ended with exit status 3"
    assert outcome.command == "sh -c 'echo out; echo err >&2; exit 3'"


def test_no_shell() -> None:
    assert run(["echo", "$HOME;", "*"], timeout=9, cwd="/").stdout == "$HOME; *\n"


def test_killed_by_a_signal() -> None:
    assert run(["sh", "-c", "kill -TERM $$"], timeout=9, cwd="/").problem == "was killed by signal 15"


def test_what_cannot_be_run(tmp_path: Path) -> None:
    assert run(["no-such-program"], timeout=9, cwd="/").rc == 127
    script = tmp_path / "script"
    script.write_bytes(b"\x7fELF broken")
    script.chmod(0o755)
    outcome = run([str(script)], timeout=9, cwd="/")
    assert (outcome.rc, "could not be started" in outcome.problem) == (126, True)


def test_kernel_without_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    def pidfd_open(_pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", pidfd_open)
    assert run(["sh", "-c", "exit 3"], timeout=9, cwd="/").rc == 3
    assert run(["sleep", "9"], timeout=0.1, cwd="/").rc == 124


def test_long_output_keeps_its_end() -> None:
    outcome = run(["sh", "-c", "yes | head -c 100000; echo; echo the end"], timeout=9, cwd="/")
    assert len(outcome.stdout) < 5_000
    assert outcome.stdout.endswith("the end\n")
    assert "bytes left out" in outcome.stdout


def test_bytes_that_are_no_text() -> None:
    assert run(["printf", r"\377x"], timeout=9, cwd="/").stdout == "\ufffdx"


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("s3same0pen\n", "got s3same0pen here"),
        ("password = s3same0pen now\n", "value s3same0pen now is bad"),
        ("password = s3same0pen now\n", "near s3same0pen"),
        ("password=s3same0pen\n", "line: password=s3same0pen"),
        ("user@example.org:{PLAIN}s3same0pen:5000::\n", "unknown scheme in {PLAIN}s3same0pen"),
        ("  passdb { args = host=db password=s3same0pen }\n", "host=db password=s3same0pen dbname"),
        ('"quoted s3same0pen"\n', "quoted s3same0pen"),
    ],
)
def test_secret_is_masked(secret: str, said: str) -> None:
    assert "s3same" not in Masker([secret.encode()])(said)


def test_what_is_no_secret_stays_readable() -> None:
    mask = Masker([b"dbname = maildb\npassword = s3same0pen\nhosts = localhost\n"], [b"inet_interfaces = localhost\n"])
    said = mask("Unknown setting: dbname (localhost), password is s3same0pen")
    assert said == "Unknown setting: dbname (localhost), password is ********"


def test_empty_and_short_secrets_do_not_destroy_the_text() -> None:
    assert Masker([b"", b"\n\n", b"a = b\nno\n"])("a bad number") == "a bad number"
