# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of the playbook: they begin like those of a role, and must not be taken for misspelt ones of it."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.postern.mail.plugins.plugin_utils._specs import Collection

_ROOT = Path(__file__).resolve().parents[5]


def test_the_collection_knows_the_variables_of_the_playbook() -> None:
    text = (_ROOT / "playbooks" / "postscreen_report.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\{\{ (postscreen_report_\w+)", text))
    known = {name for name in Collection.read(_ROOT).names if name.startswith("postscreen_report_")}
    assert used == known and "postscreen_report_days" in used


def test_the_documentation_names_each() -> None:
    text = (_ROOT / "docs" / "postscreen_report.md").read_text(encoding="utf-8")
    known = {name for name in Collection.read(_ROOT).names if name.startswith("postscreen_report_")}
    assert set(re.findall(r"^\| `(postscreen_report_\w+)`", text, re.MULTILINE)) == known
