#!/usr/bin/env python3
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write docs/findings.md from the linter's own data, so that no code is without its page and no page without its code.

findings.py          write the page
findings.py --check  exit 1 when the page is not what would be written
"""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.postern.mail.plugins.plugin_utils._policy.lint.kinds import FindingKind

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/findings.md"
SEVERITIES = {
    "relay": "An open relay, or a check that can be walked around.",
    "lost": "Mail is refused that should not be, or users are locked out.",
    "deferred": "Mail waits, or the service does not start.",
    "idle": "A rule without effect.",
    "style": "It works; something else works better.",
}
INTRODUCTION = """\
# The findings, code by code

<!-- Written by docs/findings.py from the linter's data; change it there and run `make docs`. -->

Every finding of the audit, of the `postern.mail.policy_findings` filter and of the `postfix` role has a code. The codes
are stable: a pipeline may rely on them, and `postfix_accept_findings` names them. Findings of severity relay, lost and
deferred stop a run of the role before anything is touched; the others are shown once.

`postfix check` and `postconf -n` report none of the mistakes in restriction lists.

| severity | what it costs | codes |
| --- | --- | --- |
"""


def collection_path() -> Path:
    """A directory that holds this checkout as ansible_collections.postern.mail, and nothing else."""
    root = Path(tempfile.mkdtemp(prefix="postern-docs-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    namespace = root / "ansible_collections/postern"
    namespace.mkdir(parents=True)
    (root / "ansible_collections/__init__.py").touch()
    (namespace / "mail").symlink_to(ROOT, target_is_directory=True)
    return root


def kinds() -> tuple[FindingKind, ...]:
    sys.path.insert(0, str(collection_path()))
    from ansible_collections.postern.mail.plugins.plugin_utils._policy.linter import KINDS

    return KINDS


def page(all_kinds: tuple[FindingKind, ...]) -> str:
    lines = [INTRODUCTION.rstrip("\n")]
    for severity, meaning in SEVERITIES.items():
        links = [f"[{kind.code}](#{kind.code})" for kind in all_kinds if kind.severity.value == severity]
        lines.append(f"| **{severity}** | {meaning} | {', '.join(links)} |")
    for severity, meaning in SEVERITIES.items():
        lines += ["", f"## Severity {severity}", "", meaning]
        for kind in all_kinds:
            if kind.severity.value == severity:
                lines += section(kind)
    return "\n".join(lines) + "\n"


def section(kind: FindingKind) -> Iterator[str]:
    yield from ("", f"### {kind.code}", "", f"**{kind.title}.** {sentence(kind.wrong)}", "")
    yield from (f"*What happens:* {sentence(kind.happens)}", "")
    yield from ("Found:", "", "```ini", *kind.example.splitlines(), "```", "")
    yield from ("Right:", "", "```ini", *kind.right.splitlines(), "```", "")
    yield f"Source: {sentence(kind.source)}"


def sentence(text: str) -> str:
    """On one line, without anything that Markdown would take for markup."""
    plain = " ".join(text.split())
    for sign in "\\*<>|":
        plain = plain.replace(sign, f"\\{sign}")
    return plain if plain.endswith((".", "!", "?")) else f"{plain}."


def main(arguments: list[str]) -> int:
    wanted = page(kinds())
    if "--check" not in arguments:
        PAGE.write_text(wanted, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != wanted:
        print("docs/findings.md is not up to date, run `make docs`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
