# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What expressions for phrases and names of attachments cost: python tests/bench/phrases.py

Times are of PCRE2 without its just-in-time compiler, as Postfix uses it, on 10,000 ordinary headers of each kind.
"""

from __future__ import annotations

import base64
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".ansible/collections"), str(ROOT / "tests/unit/plugins/plugin_utils/_phrases")]

from ansible_collections.postern.mail.plugins.plugin_utils._phrases.attachments import compile_attachments  # noqa: E402
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.rules import compile_rules  # noqa: E402
from pcre2 import Pattern  # noqa: E402

NUMBER = 10_000
WORDS = [
    "the",
    "of",
    "invoice",
    "your",
    "회의",
    "자료",
    "안내",
    "부탁드립니다",
    "광고",
    "문의",
    "会議",
    "réunion",
    "re:",
]
PHRASES: dict[str, dict[str, Any]] = {
    "(광고)": {"phrase": "(광고)"},
    "(광고), three forms": {"phrase": "(광고)", "variants": ["[광고]", "（광고）"]},
    "(광고), spaces": {"phrase": "(광고)", "ignore_space": True},
    "광고": {"phrase": "광고"},
    "広告": {"phrase": "広告"},
    "viagra": {"phrase": "viagra"},
}


def subjects(random: Random) -> list[bytes]:
    found = []
    for _number in range(NUMBER):
        text = " ".join(random.choices(WORDS, k=random.randint(2, 9)))
        coded = "\n ".join(
            f"=?utf-8?B?{base64.b64encode(text[at : at + 15].encode()).decode()}?=" for at in range(0, len(text), 15)
        )
        found.append(f"Subject: {text if text.isascii() else coded}".encode())
    return found


def others() -> list[bytes]:
    value = b"from mail.example.org (mail.example.org [192.0.2.1])\n by mx.example.com (Postfix) with ESMTPS id 4Xy"
    return [b"Received: " + value] * NUMBER


def parts(random: Random) -> list[bytes]:
    names = [
        "report.pdf",
        "=?utf-8?B?7ZqM7J2YIOyekOujjC5wZGY=?=",
        "IMG_2026.jpg",
        "a longer name of a document (2).docx",
    ]
    return [f'Content-Type: application/x; name="{random.choice(names)}"'.encode() for _number in range(NUMBER)]


def measure(name: str, lines: list[dict[str, Any]], compiled: float, headers: dict[str, list[bytes]]) -> None:
    patterns = [Pattern(line["pattern"], line["flags"]) for line in lines]
    sizes = f"{sum(len(line['line']) for line in lines) / 1024:6.1f} KiB in {len(lines):2} lines"
    times = []
    for kind, values in headers.items():
        started = time.process_time()
        for value in values:
            any(pattern.matches(value) for pattern in patterns)
        times.append(f"{(time.process_time() - started) / NUMBER * 1e6:6.1f} µs a {kind}")
    print(f"{name:22} {sizes}, compiled in {compiled * 1000:5.0f} ms; {', '.join(times)}")


def main() -> None:
    """Print a line for each rule."""
    random = Random(1)
    headers = {"subject": subjects(random), "other header": others()}
    for name, rule in PHRASES.items():
        started = time.process_time()
        lines = compile_rules([rule])
        measure(name, lines, time.process_time() - started, headers)
    for extensions in (["exe", "scr", "js"], ["dangerous"]):
        started = time.process_time()
        lines = compile_attachments([{"extensions": extensions}])
        taken = time.process_time() - started
        measure(" ".join(extensions), lines, taken, {"part with a name": parts(random), "other header": others()})


if __name__ == "__main__":
    main()
