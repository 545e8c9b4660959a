# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Playbooks run against the lab under test, as an administrator runs them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from postern_lab.ansible import ansible_environment
from postern_lab.project import LAB_DIR, ROOT

from dialogue.lab import Lab


def run(lab: Lab, playbook: str, *arguments: str, check: bool = True, timeout: float = 3600) -> tuple[int, str]:
    """Exit status and output of ``playbooks/PLAYBOOK.yml``; with ``check`` AssertionError when it fails."""
    inventory = str(LAB_DIR / "inventory")
    program = str(Path(ROOT, ".venv", "bin", "ansible-playbook"))
    line = [program, "--inventory", inventory, *arguments, f"playbooks/{playbook}.yml"]
    environment = {**ansible_environment(lab.name), "MOLECULE_SCENARIO_NAME": "", "ANSIBLE_NOCOLOR": "1"}
    environment.pop("ANSIBLE_FORCE_COLOR", None)  # Molecule's; it is stronger
    done = subprocess.run(
        line,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout,
    )
    print(f"$ ansible-playbook {' '.join(arguments)} {playbook}.yml\n{done.stdout[-6000:]}")
    assert not check or done.returncode == 0, f"{playbook}.yml: exit status {done.returncode}"
    return done.returncode, done.stdout
