# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""How Ansible is run from this checkout."""

from __future__ import annotations

import os

from postern_lab.project import LAB_DIR, ROOT, LabError

_COLLECTION = ROOT / ".ansible" / "collections" / "ansible_collections" / "postern" / "mail"


def playbook_command(arguments: list[str]) -> list[str]:
    """ansible-playbook of the checkout's environment with site.yml and the user's ``arguments``."""
    program = ROOT / ".venv" / "bin" / "ansible-playbook"
    if not program.exists() or not _COLLECTION.exists():
        raise LabError("the checkout is not set up: run `make setup`")
    return [str(program), "--inventory", str(LAB_DIR / "inventory"), *arguments, "playbooks/site.yml"]


def ansible_environment(lab: str) -> dict[str, str]:
    """Environment in which Ansible finds the lab's inventory, this checkout's collection and the engine.

    Everything that Ansible writes stays in the checkout. Pipelining halves the time of a task over ``podman exec``.
    """
    path = [str(ROOT / ".venv" / "bin"), os.environ.get("PATH", os.defpath)]
    if os.geteuid() != 0:
        path.insert(0, str(LAB_DIR / "sudo"))
    if os.environ.get("CONTAINER_ENGINE") != "docker":
        path.insert(0, str(LAB_DIR / "podman"))
    defaults = {
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_FORKS": "10",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        "ANSIBLE_DEPRECATION_WARNINGS": "true",
    }
    return {
        **defaults,
        **os.environ,
        "ANSIBLE_HOME": str(ROOT / ".ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
        "PATH": os.pathsep.join(path),
        "POSTERN_LAB": lab,
    }
