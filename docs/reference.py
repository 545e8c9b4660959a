#!/usr/bin/env python3
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write each role's table of variables into its README from meta/argument_specs.yml, where they are described once.

reference.py          write the tables
reference.py --check  exit 1 and name the READMEs whose table is not what would be written
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- variables:begin -->", "<!-- variables:end -->"
MARKUP = re.compile(r"\b(?:O|V|C|E|RV|P|I|B|L|U|M)\(([^)]*)\)")


def plain(text: Any) -> str:
    """Ansible markup to Markdown, on one line; a pipe would end the table's cell."""
    paragraphs = text if isinstance(text, list) else [text]
    joined = " ".join(" ".join(str(paragraph).split()) for paragraph in paragraphs)
    return MARKUP.sub(r"`\1`", joined).replace("|", r"\|")


def default_cell(option: Mapping[str, Any]) -> str:
    if option.get("required"):
        return "**required**"
    if "default" not in option:
        return ""
    default = option["default"]
    shown = (
        default
        if isinstance(default, str) and default
        else yaml.safe_dump(default, default_flow_style=True, width=10_000)
    )
    shown = " ".join(shown.replace("\n...\n", "").split())
    return "`" + (shown if len(shown) <= 80 else "see defaults/main/").replace("|", r"\|") + "`"


def type_cell(option: Mapping[str, Any]) -> str:
    kind = str(option.get("type", "str"))
    if "elements" in option:
        kind += f" of {option['elements']}"
    if "choices" in option:
        kind += ": " + ", ".join(f"`{choice}`" for choice in option["choices"])
    return kind


def rows(options: Mapping[str, Mapping[str, Any]], prefix: str = "") -> Iterator[str]:
    for name, option in options.items():
        text = plain(option.get("description", ""))
        yield f"| `{prefix}{name}` | {type_cell(option)} | {default_cell(option)} | {text} |"
        inner = "[]." if option.get("elements") == "dict" else "."
        yield from rows(option.get("options", {}), f"{prefix}{name}{inner}")


def table(role: Path) -> str:
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    options = specs["argument_specs"]["main"]["options"]
    lines = ["| variable | type | default | |", "| --- | --- | --- | --- |", *rows(options)]
    return "\n".join([BEGIN, "", *lines, "", END])


def main(arguments: list[str]) -> int:
    stale = []
    for role in sorted(path.parent.parent for path in ROOT.glob("roles/*/meta/argument_specs.yml")):
        readme = role / "README.md"
        text = readme.read_text(encoding="utf-8")
        if BEGIN not in text:
            sys.exit(f"{readme.relative_to(ROOT)}: no line {BEGIN}")
        head, rest = text.split(BEGIN, 1)
        wanted = head + table(role) + rest.split(END, 1)[1]
        if wanted != text:
            stale.append(str(readme.relative_to(ROOT)))
            if "--check" not in arguments:
                readme.write_text(wanted, encoding="utf-8")
    if "--check" in arguments and stale:
        print("Not up to date, run `make docs`: " + ", ".join(stale))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
