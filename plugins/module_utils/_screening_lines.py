# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Log files of syslog and Postfix, and the journal, as (seconds since 1970, program, text), one line at a time.

This runs on the host, with any Python from 3.7 on: no syntax newer than that.
"""

from __future__ import annotations

import bz2
import calendar
import glob
import gzip
import lzma
import os
import re
import stat
import subprocess
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

LONGEST = 16384
"""Octets of a line; what is longer is no line of Postfix, and must not fill the memory."""

PLACES = ("/var/log/mail.log*", "/var/log/maillog*", "/var/log/mail/mail.log*", "/var/log/mail")
JOURNAL = ("--no-pager", "--quiet", "--all", "--output=short-unix", "SYSLOG_FACILITY=2")

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)
_REST = rb" \S+ ([^\s\[:]{1,64})(?:\[\d+\])?: (.*)"
_UNIX = re.compile(rb"(\d{9,11})(?:\.\d+)?" + _REST, re.DOTALL)
_ISO = re.compile(rb"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d):(\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:?\d\d)?" + _REST, re.DOTALL)
_OLD = re.compile(rb"([A-Z][a-z]{2} [ \d]\d \d\d:\d\d):(\d\d)(?:\.\d+)?" + _REST, re.DOTALL)
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if number}


class Clock:
    """Turns the two kinds of time stamps that files have into seconds.

    :param modified: when the file was written last; nothing in it is younger, which tells the year where none is given
    """

    def __init__(self, modified: float) -> None:
        self._latest = modified + 86400
        self._year = time.localtime(modified).tm_year
        self._minutes: tuple[bytes, int | None] = (b"", None)

    def iso(self, minute: bytes, second: bytes, zone: bytes | None) -> int | None:
        return self._at(minute + (zone or b""), second, lambda: self._iso_minute(minute.decode(), zone))

    def old(self, minute: bytes, second: bytes) -> int | None:
        return self._at(minute, second, lambda: self._old_minute(minute.decode()))

    def _at(self, key: bytes, second: bytes, compute: Callable[[], int | None]) -> int | None:
        """A minute is computed once: a log has many lines in each."""
        if key != self._minutes[0]:
            try:
                self._minutes = (key, compute())
            except (ValueError, OverflowError):
                self._minutes = (key, None)
        start = self._minutes[1]
        return None if start is None else start + int(second)

    def _iso_minute(self, minute: str, zone: bytes | None) -> int:
        parsed = time.strptime(minute.replace(" ", "T"), "%Y-%m-%dT%H:%M")
        if zone is None:
            return int(time.mktime(parsed))
        offset = 0
        if zone != b"Z":
            digits = zone[1:].replace(b":", b"")
            offset = (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * (-1 if zone[:1] == b"-" else 1)
        return calendar.timegm(parsed) - offset

    def _old_minute(self, minute: str) -> int | None:
        month, day = _MONTHS.get(minute[:3]), int(minute[4:6])
        if month is None:
            return None
        for year in (self._year + 1, self._year, self._year - 1):
            at = time.mktime((year, month, day, int(minute[7:9]), int(minute[10:12]), 0, 0, 1, -1))
            if at <= self._latest:
                return int(at)
        return None


def parse(line: bytes, clock: Clock) -> tuple[int, str, str] | None:
    """A line of a file, or of ``journalctl --output=short-unix``; None where it is something else."""
    if not line[:1].isdigit():
        match = _OLD.match(line)
        at = clock.old(match.group(1), match.group(2)) if match else None
        words = match.groups()[2:] if match else ()
    elif line[4:5] == b"-":
        match = _ISO.match(line)
        at = clock.iso(*match.groups()[:3]) if match else None
        words = match.groups()[3:] if match else ()
    else:
        match = _UNIX.match(line)
        at = int(match.group(1)) if match else None
        words = match.groups()[1:] if match else ()
    if at is None:
        return None
    return at, words[0].decode("ascii", "replace"), words[1].rstrip(b"\r\n").decode("utf-8", "replace")


def whole_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines that have a sane length, in constant memory; the others are left out."""
    cut = False
    for piece in iter(lambda: stream.readline(LONGEST), b""):
        ended = piece.endswith(b"\n")
        if not cut and (ended or len(piece) < LONGEST):
            yield piece
        cut = not ended


def log_files(patterns: Iterable[str], since: float) -> list[str]:
    """Regular files that may hold something younger than ``since``, the oldest first."""
    found = {}
    for pattern in patterns:
        for path in glob.glob(pattern):
            try:
                facts = os.stat(path)
            except OSError:
                continue
            if stat.S_ISREG(facts.st_mode) and facts.st_size and facts.st_mtime >= since:
                found[os.path.realpath(path)] = facts.st_mtime
    return sorted(found, key=lambda path: (found[path], path))


def of_files(paths: Iterable[str], notes: list[str]) -> Iterator[tuple[int, str, str]]:
    """All lines of the files. What cannot be read is named in ``notes``, and the rest is read."""
    for path in paths:
        try:
            with _OPENERS.get(os.path.splitext(path)[1], open)(path, "rb") as stream:
                clock = Clock(os.stat(path).st_mtime)
                for line in whole_lines(stream):
                    parsed = parse(line, clock)
                    if parsed is not None:
                        yield parsed
        except _BROKEN as error:
            notes.append(f"{path} was not read to its end: {error}.")


def of_journal(program: str, since: int, notes: list[str]) -> Iterator[tuple[int, str, str]]:
    """All lines of the facility mail in the journal since then."""
    command = [program, *JOURNAL, f"--since=@{since}"]
    clock = Clock(0)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        if process.stdout is None:
            return
        try:
            for line in whole_lines(process.stdout):
                parsed = parse(line, clock)
                if parsed is not None:
                    yield parsed
        finally:
            process.stdout.close()
            status = process.wait()
    if status != 0:
        notes.append(f"journalctl ended with status {status}: what it told until then was read.")


def first_of(lines: Iterator[tuple[int, str, str]]) -> int | None:
    """Time of the first line; the source is closed."""
    try:
        for at, _program, _text in lines:
            return int(at)
        return None
    finally:
        close = getattr(lines, "close", None)
        if close is not None:
            close()
