# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page: one file of HTML that needs nothing from elsewhere.

What a host says is text in it and nothing else: the template escapes everything, and the page's own policy lets only
its own style and script run, known by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_HERE = Path(__file__).resolve().parent


def render(data: Mapping[str, Any], maker: str = "postern.mail", folder: Path = _HERE) -> str:
    """The page as text.

    :param data: of :func:`view.page_data`
    :param maker: who made it, with a version
    :param folder: of another page with this look: its page.html.j2, and page.css with what it adds
    """
    styles = [_HERE / "page.css", *([folder / "page.css"] if folder != _HERE else [])]
    style = "".join(path.read_text(encoding="utf-8") for path in styles)
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        **data,
        maker=maker,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _hash(text: str) -> str:
    """As a Content-Security-Policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
