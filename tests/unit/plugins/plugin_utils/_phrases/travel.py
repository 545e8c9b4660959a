# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ways in which text travels in a header, written without the code under test."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator, Sequence
from random import Random

# Each with labels that senders use for it.
CODECS = {
    "utf-8": ("utf-8", "UTF-8", "utf8", "utf-8*ko"),
    "euc_kr": ("euc-kr", "EUC-KR", "ks_c_5601-1987", "KS_C_5601-1987*ko"),
    "cp949": ("cp949", "MS949", "ks_c_5601-1987", "euc-kr", "x-windows-949"),
    "iso2022_jp": ("iso-2022-jp", "ISO-2022-JP"),
    "cp932": ("Shift_JIS", "windows-31j", "cp932"),
    "euc_jp": ("euc-jp", "EUC-JP"),
    "gb18030": ("gb2312", "GBK", "gb18030", "cp936"),
    "cp950": ("big5", "Big5-HKSCS"),
    "koi8_r": ("koi8-r",),
    "cp1251": ("windows-1251",),
    "latin_1": ("iso-8859-1", "ISO-8859-1*fr"),
}
GAPS = (b" ", b"\n ", b"\n\t", b"  \n  ", b"")


def q_byte(byte: int, random: Random) -> str:
    char = chr(byte)
    if byte == 0x20:
        return random.choice(["_", "=20"])
    if 0x21 <= byte < 0x7F and char not in "=?_" and random.random() < 0.6:
        return char
    return random.choice(["={:02X}", "={:02x}"]).format(byte)


def word(data: bytes, label: str, encoding: str, random: Random) -> bytes:
    """An encoded word, correct or with more hexadecimal than it needs."""
    text = base64.b64encode(data).decode() if encoding in "bB" else "".join(q_byte(byte, random) for byte in data)
    return f"=?{label}?{encoding}?{text}?=".encode()


def words(parts: Sequence[bytes], codec: str, random: Random) -> bytes:
    label = random.choice(CODECS[codec])
    return random.choice(GAPS).join(word(part, label, random.choice("bBqQ"), random) for part in parts if part)


def cut_between_characters(text: str, codec: str, random: Random) -> list[bytes]:
    """Each part for itself, as RFC 2047 wants it."""
    places = sorted(random.sample(range(1, len(text)), min(len(text) - 1, random.randint(0, 4)))) if text else []
    return [text[begin:end].encode(codec) for begin, end in itertools.pairwise([0, *places, len(text)])]


def cut_anywhere(data: bytes, first: int, random: Random) -> list[bytes]:
    """Inside characters too, but not before ``first``."""
    places = sorted(random.sample(range(first, len(data)), min(len(data) - first, random.randint(0, 4))))
    return [data[begin:end] for begin, end in itertools.pairwise([0, *places, len(data)])]


def every_split(text: str, codec: str) -> Iterator[list[bytes]]:
    """Text in two and in three words, cut at each character."""
    for begin in range(len(text) + 1):
        for end in range(begin, len(text) + 1):
            yield [part.encode(codec) for part in (text[:begin], text[begin:end], text[end:])]
