# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of logs: every form of time stamp, every way a file can be broken."""

from __future__ import annotations

import ast
import bz2
import calendar
import gzip
import io
import lzma
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.postern.mail.plugins.module_utils import _screening_lines as lines

_ROOT = Path(__file__).resolve().parents[4]
_SHIPPED = [
    "plugins/modules/postscreen_log.py",
    *(f"plugins/module_utils/_screening_{name}.py" for name in ("lines", "clients", "settings", "tally")),
]
NOON = calendar.timegm((2026, 11, 22, 12, 0, 5))


@pytest.fixture(autouse=True)
def zone() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Seoul")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("path", _SHIPPED)
def test_python_of_2018_reads_it(path: str) -> None:
    """It runs on servers of others, where ansible-core 2.17 wants 3.7."""
    ast.parse((_ROOT / path).read_text(encoding="utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize(
    ("line", "at"),
    [
        (b"1795348805.123456 mx1 postfix/smtpd[7]: x y\n", NOON),
        (b"2026-11-22T12:00:05.123456+00:00 mx1 postfix/smtpd[7]: x y\n", NOON),
        (b"2026-11-22T21:00:05+09:00 mx1 postfix/smtpd[7]: x y\r\n", NOON),
        (b"2026-11-22T08:30:05-0330 mx1 postfix/smtpd[7]: x y", NOON),
        (b"2026-11-22T12:00:05Z mx1 postfix/smtpd: x y\n", NOON),
        (b"2026-11-22T21:00:05 mx1 postfix/smtpd[7]: x y\n", NOON),
        (b"Nov 22 21:00:05 mx1 postfix/smtpd[7]: x y\n", NOON),
        (b"Nov 22 21:00:05.123 mx1 postfix/smtpd[7]: x y\n", NOON),
        (b"Nov  2 21:00:05 mx1 postfix/smtpd[7]: x y\n", NOON - 20 * 86400),
        (b"Dec 31 21:00:05 mx1 postfix/smtpd[7]: x y\n", NOON + 39 * 86400 - 365 * 86400),
    ],
)
def test_time_stamps(line: bytes, at: int) -> None:
    assert lines.parse(line, lines.Clock(NOON + 60)) == (at, "postfix/smtpd", "x y")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"-- Boot 3f0 --\n",
        b"    continued\n",
        b"Xyz 22 21:00:05 mx1 postfix/smtpd[7]: x\n",
        b"Nov 22 21:00:05 mx1 kernel\n",
        b"2026-99-99T99:99:99+00:00 mx1 postfix/smtpd[7]: x\n",
        b"99999999999999999 mx1 postfix/smtpd[7]: x\n",
        b"Nov 22 21:00:05 mx1 " + b"p" * 65 + b"[7]: x\n",
        b"\xff\xfe\x00binary\n",
    ],
)
def test_what_is_no_line_of_a_log(line: bytes) -> None:
    assert lines.parse(line, lines.Clock(NOON)) is None


def test_a_year_is_that_in_which_the_file_could_have_been_written() -> None:
    """A log of December that was rotated in January."""
    january = calendar.timegm((2027, 1, 3, 0, 0, 0))
    parsed = lines.parse(b"Dec 31 21:00:05 mx1 postfix/smtpd[7]: x\n", lines.Clock(january))
    assert parsed and parsed[0] == calendar.timegm((2026, 12, 31, 12, 0, 5))


def test_lines_without_end_do_not_fill_the_memory() -> None:
    stream = io.BytesIO(b"a\n" + b"b" * (3 * lines.LONGEST) + b"\nc\n" + b"d" * lines.LONGEST + b"\ne")
    assert list(lines.whole_lines(stream)) == [b"a\n", b"c\n", b"e"]


LINE = b"2026-11-22T12:00:05Z mx1 postfix/postscreen[1]: PASS OLD [192.0.2.1]:7\n"


@pytest.mark.parametrize(
    ("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_compressed_files(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"mail.log.1{suffix}"
    path.write_bytes(pack(LINE * 3))
    notes: list[str] = []
    assert len(list(lines.of_files([str(path)], notes))) == 3 and notes == []


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_broken_files_are_named_and_the_others_read(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    whole, cut, gone = tmp_path / "mail.log", tmp_path / f"cut{suffix}", tmp_path / "gone"
    whole.write_bytes(LINE)
    noise = random.Random(1).randbytes(200_000)
    cut.write_bytes(pack(LINE * 2 + noise)[:-500])
    notes: list[str] = []
    assert len(list(lines.of_files([str(cut), str(gone), str(whole)], notes))) in (1, 3)
    assert [note.split(" was not read to its end")[0] for note in notes] == [str(cut), str(gone)]


def test_files_are_read_from_the_oldest_and_only_those_of_the_time(tmp_path: Path) -> None:
    for number, name in enumerate(["mail.log.3.gz", "mail.log.2.gz", "mail.log.1", "mail.log"]):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (NOON + number, NOON + number))
    (tmp_path / "mail.log.empty").touch()
    (tmp_path / "mail.log.d").mkdir()
    (tmp_path / "mail.log.link").symlink_to("mail.log")
    os.mkfifo(tmp_path / "mail.log.fifo")
    found = lines.log_files([f"{tmp_path}/mail.log*", f"{tmp_path}/mail.log"], NOON + 1)
    assert [Path(path).name for path in found] == ["mail.log.2.gz", "mail.log.1", "mail.log"]


@pytest.mark.parametrize(("body", "note"), [("cat <<E\n{line}E", ""), ("cat <<E\n{line}E\nexit 3", "status 3")])
def test_the_journal_by_its_own_program(tmp_path: Path, body: str, note: str) -> None:
    program = tmp_path / "journalctl"
    line = "1795348805.5 mx1 postfix/postscreen[1]: PASS OLD [192.0.2.1]:7\n-- No entries --\n"
    program.write_text(f"#!/bin/sh\n{body.format(line=line)}\n")
    program.chmod(0o755)
    notes: list[str] = []
    read = list(lines.of_journal(str(program), NOON, notes))
    assert read == [(NOON, "postfix/postscreen", "PASS OLD [192.0.2.1]:7")]
    assert (note in " ".join(notes)) if note else notes == []


def test_the_first_line_needs_no_more_than_that(tmp_path: Path) -> None:
    """The program that would go on for ever is ended."""
    program = tmp_path / "journalctl"
    program.write_text("#!/bin/sh\nyes '1795348805.5 mx1 postfix/postscreen[1]: PASS OLD [192.0.2.1]:7'\n")
    program.chmod(0o755)
    assert lines.first_of(lines.of_journal(str(program), NOON, [])) == NOON
