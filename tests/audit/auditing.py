# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Playbooks run as an administrator runs them, and what a server looks like before and after."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dialogue.lab import Server
from postern_lab.ansible import ansible_environment
from postern_lab.project import ROOT

LAB = "audit"

# Everything that an audit could leave behind: content, owner, mode and time of every file; what runs, and since when.
# But for what tlsmgr(8) writes by itself, now and then.
_SNAPSHOT = r"""
find /etc /root /home /usr/lib/postfix /var/lib/postfix /var/spool/cron -xdev -not -name prng_exch \
    -printf '%p %y %m %u %g %s %T@ %l\n' 2> /dev/null | sort
find /var/spool/postfix -xdev -not -name tmp -printf '%p %y %m %u %g %s %T@ %l\n' | sort
find /tmp /var/tmp -mindepth 1 -xdev -printf '%p %y %m %u %g %s %T@ %l\n' | sort
find /etc /var/lib/postfix -xdev -type f -not -name prng_exch -print0 | sort -z | xargs -0 sha256sum
systemctl list-units --type=service --state=running --no-legend --plain | sort
stat --format='%n %Y' "/proc/$(cat /var/spool/postfix/pid/master.pid | tr -d ' ')"
"""


@dataclass(frozen=True)
class Played:
    """A playbook that was run."""

    status: int
    output: str
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    directory: Path = Path()


def play(playbook: str, *arguments: str, directory: Path) -> Played:
    """Run a playbook of the collection, as an administrator in ``directory`` does."""
    program = str(ROOT / ".venv" / "bin" / "ansible-playbook")
    inventory = str(ROOT / "tests" / "lab" / "inventory")
    environment = {**ansible_environment(LAB), "ANSIBLE_NOCOLOR": "true", "ANSIBLE_FORCE_COLOR": "false"}
    for name in ("MOLECULE_SCENARIO_NAME", "ANSIBLE_CONFIG"):  # what an administrator does not have
        environment.pop(name, None)
    done = subprocess.run(
        [program, "--inventory", inventory, f"postern.mail.{playbook}", *arguments],
        cwd=directory,
        env={**environment, "PWD": str(directory)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
        check=False,
    )
    print(done.stdout)
    reports = {path.stem: json.loads(path.read_text()) for path in directory.glob("audit/*.json")}
    return Played(done.returncode, done.stdout, reports, directory)


def snapshot(server: Server) -> str:
    """The state of a server, as far as an audit could have changed it."""
    return server.shell(_SNAPSHOT, timeout=180)
