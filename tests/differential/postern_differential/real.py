# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The real smtpd of a release: a container without a network, and in it the driver that asks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from types import TracebackType
from typing import Any

from postern_lab.engine import find_engine
from postern_lab.images import ensure_image
from postern_lab.project import ROOT, checkout_hash

from postern_differential.cases import Case

Result = dict[str, Any]


class DriverError(Exception):
    """The driver could not ask; the text is its own."""


class RealSmtpd:
    """Context manager: a container of one release that answers cases."""

    def __init__(self, release: str) -> None:
        self.release = release
        engine = find_engine()
        image = ensure_image(engine, "smtpd", release)
        before, after = engine.systemd_arguments()
        limits = [argument for argument in after if argument.startswith("--ulimit=")]
        # The queue in memory: cleanup waits for the disk after every message. Podman copies the directories into it.
        queue = ["--tmpfs=/var/spool/postfix:rw,exec,mode=755"] if engine.name == "podman" else []
        self._name = f"postern-{checkout_hash()}-smtpd-{release}-{os.getpid()}"
        self._engine = engine
        self._command = engine.command(
            *[*before, "run", "--rm", "--interactive", f"--name={self._name}", "--network=none"],
            *["--hostname=smtpd.example.org", "--cap-add=NET_ADMIN", *limits, *queue],
            *[f"--volume={ROOT / 'tests' / 'differential'}:/differential:ro", "--env=PYTHONPATH=/differential"],
            *["--env=PYTHONDONTWRITEBYTECODE=1", image, "python3", "-m", "postern_driver"],
        )

    def __enter__(self) -> RealSmtpd:
        # Another process group: Ctrl-C must reach Python alone, which then ends the container.
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.mail_version = str(self._read()["mail_version"])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            clean = kind is None and self._process.wait(60) == 0
        except subprocess.TimeoutExpired:
            clean = False
        if not clean:
            self._engine.run("rm", "--force", self._name, check=False)
            self._process.wait(60)

    def ask(self, cases: Sequence[Case], *, fresh: bool = False) -> list[Result]:
        """The answers to cases of one policy, in their order. Raises DriverError.

        :param fresh: give every session a process of its own
        """
        first = cases[0]
        question = {
            "params": dict(first.params),
            "master": first.master,
            "tables": dict(first.tables),
            "service": first.session["service"],
            "fresh": fresh,
            "sessions": [{**case.session, "dns": dict(case.dns)} for case in cases],
        }
        assert self._process.stdin
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._read()
        if "error" in answer:
            raise DriverError(f"{first.name}: {answer['error']}")
        return [Result(result) for result in answer["results"]]

    def ask_all(self, cases: Iterable[Case], *, fresh: bool = False) -> Iterator[tuple[Case, Result]]:
        """Every case with its answer; neighbours of one policy are asked together."""
        for _policy, group in groupby(cases, key=lambda case: case.policy):
            together = list(group)
            yield from zip(together, self.ask(together, fresh=fresh), strict=True)

    def _read(self) -> Result:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise DriverError(f"the driver of {self.release} ended with status {self._process.wait(60)}")
        return Result(json.loads(line))
