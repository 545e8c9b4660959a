# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about phrases and names of attachments that compile, and still do not say what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._content.faults import Fault
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.attachments import MOST_STARS
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.rules import ALL_HEADERS, headers_of

PHRASE, ATTACHMENT = "phrase-form", "attachment-form"
# RFC 5322 section 2.2: printable ASCII but the colon.
_HEADER = re.compile(r"[!-9;-~]+")
# Characters that are in no name of a file, of Windows or in a header.
_NOT_IN_NAMES = re.compile(r'[/\\:"<>|\x00-\x1f\x7f]')
_SHORT = 2


def phrase_shape(rule: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _headers(rule)
    phrase = rule.get("phrase")
    if isinstance(phrase, str) and phrase.strip():
        yield from _phrase(phrase, ".phrase")
    variants = rule.get("variants")
    known = {phrase}
    for place, variant in enumerate(_texts(variants)):
        at = f".variants[{place}]"
        if not variant.strip():
            reason = "it is empty, and would be found everywhere"
            yield Fault(PHRASE, at, reason, "Remove it", variant)
            continue
        yield from _phrase(variant, at)
        if variant in known:
            yield Fault(PHRASE, at, "it is there already", "Remove it", variant)
        known.add(variant)


def _headers(rule: Mapping[str, Any]) -> Iterator[Fault]:
    value = rule.get("header", "Subject")
    if not isinstance(value, str | list | tuple):
        yield Fault(PHRASE, ".header", "it is neither a name nor a list of names", "Write: header: Subject", str(value))
        return
    names = headers_of(rule)
    if not names:
        yield Fault(PHRASE, ".header", "it is empty: nothing would be looked at", "Write: header: Subject")
    for place, name in enumerate(names):
        at = ".header" if isinstance(value, str) else f".header[{place}]"
        if isinstance(name, str) and (name == ALL_HEADERS or _HEADER.fullmatch(name)):
            continue
        bare = str(name).strip().rstrip(":").strip()
        fix = f"Write: {bare}" if _HEADER.fullmatch(bare) else "Write a name such as Subject, or * for all"
        yield Fault(PHRASE, at, "no header has such a name", fix, str(name))


def _phrase(text: str, at: str) -> Iterator[Fault]:
    if any(not char.isprintable() and not char.isspace() for char in text):
        yield Fault(PHRASE, at, "it has a control character", "Write plain text", text)
    elif text != text.strip():
        reason = "white space around it is not looked for: it is lost where headers are folded"
        yield Fault(PHRASE, at, reason, f'Write: "{text.strip()}"', text, is_warning=True)
    elif text.isascii() and len(text) < _SHORT:
        reason = "one character is found in nearly everything"
        yield Fault(PHRASE, at, reason, "Write more of it", text)


def attachment_shape(rule: Mapping[str, Any]) -> Iterator[Fault]:
    for place, extension in enumerate(_texts(rule.get("extensions"))):
        at = f".extensions[{place}]"
        bare = extension.strip().lstrip("*.")
        if not bare:
            yield Fault(ATTACHMENT, at, "it is empty", "Remove it", extension)
        elif re.search(r"[*?\s]", bare) or _NOT_IN_NAMES.search(bare) or bare.endswith("."):
            reason = "no file ends like that"
            yield Fault(ATTACHMENT, at, reason, "Write what follows the last dot, or a pattern in names", extension)
    for place, name in enumerate(_texts(rule.get("names"))):
        yield from _name(name, f".names[{place}]")


def _name(name: str, at: str) -> Iterator[Fault]:
    inner = name.strip("*")
    if not inner.strip("*?. "):
        yield Fault(ATTACHMENT, at, "every attachment has such a name", "Write some of the name", name)
    elif _NOT_IN_NAMES.search(name):
        found = _NOT_IN_NAMES.search(name)
        char = found[0] if found and found[0].isprintable() else "a control character"
        yield Fault(ATTACHMENT, at, f"no file has {char} in its name", "Write the name without its folder", name)
    elif name != name.strip() or inner.endswith((".", " ")):
        reason = "spaces around a name and dots behind it are looked over, so it is never found"
        yield Fault(ATTACHMENT, at, reason, f"Write: {name.strip(' .')}", name)
    elif inner.count("*") > MOST_STARS:
        reason = f"{inner.count('*')} stars inside it can share one text in very many ways"
        yield Fault(ATTACHMENT, at, reason, f"Use {MOST_STARS} at most", name)


def _texts(value: Any) -> Sequence[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list | tuple) else []
