# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Header fields of a message that arrived, as bytes on the wire and as what they mean."""

from __future__ import annotations

import re

from dialogue.message import header_of


def fields(message: bytes, name: str) -> list[str]:
    """The values of all fields called ``name``, from the top, each unfolded to one line."""
    unfolded = re.sub(rb"\n(?=[ \t])", b"", header_of(message))
    pairs = [line.partition(b":") for line in unfolded.split(b"\n")]
    return [
        value.strip().decode("utf-8", "replace")
        for key, _, value in pairs
        if key.strip().lower() == name.lower().encode()
    ]


def results(message: bytes, authserv_id: str) -> dict[str, list[str]]:
    """Method -> its results, in the Authentication-Results of ``authserv_id`` (RFC 8601), from the top."""
    found: dict[str, list[str]] = {}
    for value in fields(message, "Authentication-Results"):
        who, _, statements = re.sub(r"\([^()]*\)", " ", value).partition(";")
        if who.split()[:1] != [authserv_id]:
            continue
        for method, result in re.findall(r"(?:^|;)\s*([a-z-]+)\s*=\s*([a-z]+)", statements):
            found.setdefault(method, []).append(result)
    return found
