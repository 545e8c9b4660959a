# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Character sets in which a header can travel: their labels, their codecs, and how to find where a character begins."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ANY = "any"
"""In place of a charset: every one that writes ASCII as ASCII, whatever its label."""
DOUBLE = "double-byte"
"""In place of a charset: those of the Far East whose second bytes can be those of ASCII."""


@dataclass(frozen=True)
class Charset:
    """:param name: as people write it in ``charsets``
    :param codecs: of Python; every way in which one of them writes a character is looked for
    :param labels: what encoded words call it; software that writes a superset uses the name of the subset, so a
        family of charsets has one list
    :param leads: first bytes of characters of two bytes, empty where no byte of a character can be taken for another's
    :param trails: second bytes of those
    :param prefix: a byte that makes characters of three bytes of those of two
    :param enter: for charsets that switch: sequences that begin each mode, by the codec's own sequence
    :param leave: sequences that go back to ASCII
    :param noise: sequences that change nothing
    """

    name: str
    codecs: tuple[str, ...]
    labels: tuple[str, ...]
    leads: frozenset[int] = frozenset()
    trails: frozenset[int] = frozenset()
    prefix: int = 0
    enter: tuple[tuple[bytes, tuple[bytes, ...]], ...] = ()
    leave: tuple[bytes, ...] = ()
    noise: tuple[bytes, ...] = ()

    @property
    def switches(self) -> bool:
        return bool(self.enter)

    def encode(self, text: str) -> list[bytes]:
        """Every way to write it; none when a character is missing, or when a codec writes a look-alike.

        KS X 1001 has a spelling of eight bytes for syllables it lacks (annex 3), and Python's email package sends them
        so; for people they are missing in EUC-KR.
        """
        found: dict[bytes, None] = {}
        for codec in self.codecs:
            try:
                data = text.encode(codec)
                if data.decode(codec) == text and (self.name != "euc-kr" or len(data) <= 2 * len(text)):
                    found.setdefault(data)
            except UnicodeError:
                continue
        return list(found)

    def lacks(self, text: str) -> str:
        """The characters it cannot write, each once."""
        return "".join(dict.fromkeys(char for char in text if not self.encode(char)))


def _span(*ranges: tuple[int, int]) -> frozenset[int]:
    return frozenset(value for first, last in ranges for value in range(first, last + 1))


_KOREAN = (
    "euc-kr", "euckr", "euc_kr", "ks_c_5601-1987", "ks_c_5601-1989", "ks_c_5601_1987", "ks_c_5601", "ks-c-5601-1987",
    "ksc5601", "ksc_5601", "ksc-5601", "ks5601", "iso-ir-149", "korean", "csksc56011987", "cseuckr", "cp949", "cp-949",
    "ms949", "windows-949", "x-windows-949", "uhc", "x-uhc",
)  # fmt: skip
_CHINESE = (
    "gb2312", "gb_2312-80", "gb2312-80", "gb_2312", "csgb2312", "csgb231280", "euc-cn", "x-euc-cn", "iso-ir-58",
    "chinese", "gbk", "x-gbk", "cp936", "ms936", "windows-936", "gb18030", "gb18030-2000", "gb18030-2022",
)  # fmt: skip
_BIG5 = (
    "big5", "big-5", "cn-big5", "csbig5", "x-x-big5", "x-big5", "big5-hkscs", "big5hkscs", "cp950", "ms950",
    "windows-950",
)  # fmt: skip
_SHIFT_JIS = (
    "shift_jis", "shift-jis", "shiftjis", "sjis", "x-sjis", "ms_kanji", "csshiftjis", "windows-31j", "cswindows31j",
    "cp932", "ms932", "windows-932",
)  # fmt: skip
_EUC_JP = (
    "euc-jp", "eucjp", "euc_jp", "x-euc-jp", "x-euc", "ujis", "cseucpkdfmtjapanese", "eucjp-ms", "eucjp-win", "cp51932",
)  # fmt: skip
_ISO_2022_JP = (
    "iso-2022-jp", "iso2022-jp", "iso2022jp", "iso_2022-jp", "csiso2022jp", "iso-2022-jp-1", "iso-2022-jp-2",
    "iso-2022-jp-3", "iso-2022-jp-2004", "iso-2022-jp-ms", "cp50220", "cp50221", "cp50222", "jis",
)  # fmt: skip
_UTF_8 = ("utf-8", "utf8", "utf_8", "unicode-1-1-utf-8", "unicode-2-0-utf-8", "x-unicode20utf8", "csutf8", "cp65001")

_EUC = _span((0xA1, 0xFE))
# ISO-2022-JP (RFC 1468): JIS C 6226-1978 and JIS X 0208 differ in a few characters only, and software mixes them.
_KANJI = (b"\x1b$B", b"\x1b$@")


def _single(name: str, codec: str, *labels: str) -> Charset:
    return Charset(name, (codec,), (name, *labels))


def _families() -> Iterable[Charset]:
    yield Charset("utf-8", ("utf-8",), _UTF_8)
    # Trail bytes of CP949 (Unified Hangul Code) reach into ASCII; those of EUC-KR, its subset, do not.
    cp949_trails = _span((0x41, 0x5A), (0x61, 0x7A), (0x81, 0xFE))
    yield Charset("euc-kr", ("euc_kr",), _KOREAN, _span((0x81, 0xFE)), cp949_trails)
    yield Charset("cp949", ("cp949", "euc_kr"), _KOREAN, _span((0x81, 0xFE)), cp949_trails)
    so = ((b"\x0e", (b"\x0e",)),)
    labels = ("iso-2022-kr", "iso2022-kr", "csiso2022kr")
    yield Charset("iso-2022-kr", ("iso2022_kr",), labels, enter=so, leave=(b"\x0f",), noise=(b"\x1b$)C",))
    kanji = ((b"\x1b$B", _KANJI), (b"\x1b$@", _KANJI), (b"\x1b(I", (b"\x1b(I",)), (b"\x1b$(D", (b"\x1b$(D",)))
    codecs = ("iso2022_jp", "iso2022_jp_ext")
    yield Charset("iso-2022-jp", codecs, _ISO_2022_JP, enter=kanji, leave=(b"\x1b(B", b"\x1b(J"))
    sjis_leads, sjis_trails = _span((0x81, 0x9F), (0xE0, 0xFC)), _span((0x40, 0x7E), (0x80, 0xFC))
    # The same bytes are one character for Windows and another for JIS: the wave dash and a few more.
    yield Charset("shift_jis", ("cp932", "shift_jis"), _SHIFT_JIS, sjis_leads, sjis_trails)
    yield Charset("euc-jp", ("euc_jp",), _EUC_JP, _EUC | {0x8E}, _EUC, prefix=0x8F)
    gb_trails = _span((0x30, 0x39), (0x40, 0x7E), (0x80, 0xFE))
    yield Charset("gb18030", ("gb18030",), _CHINESE, _span((0x81, 0xFE)), gb_trails)
    yield Charset("gbk", ("gbk",), _CHINESE, _span((0x81, 0xFE)), gb_trails)
    yield Charset("gb2312", ("gb2312",), _CHINESE, _span((0x81, 0xFE)), gb_trails)
    big5_trails = _span((0x40, 0x7E), (0xA1, 0xFE))
    yield Charset("big5", ("cp950", "big5", "big5hkscs"), _BIG5, _span((0x81, 0xFE)), big5_trails)
    braces = ((b"~{", (b"~{",)),)
    yield Charset("hz-gb-2312", ("hz",), ("hz-gb-2312", "hz", "hzgb"), enter=braces, leave=(b"~}",))
    for part in (*range(1, 12), *range(13, 17)):
        yield _single(f"iso-8859-{part}", f"iso8859_{part}", f"iso8859-{part}", f"iso_8859-{part}", f"iso8859{part}")
    for page in range(1250, 1259):
        yield _single(f"windows-{page}", f"cp{page}", f"cp{page}", f"cp-{page}", f"win-{page}", f"x-cp{page}")
    yield _single("koi8-r", "koi8_r", "cskoi8r", "koi8")
    yield _single("koi8-u", "koi8_u", "koi8-ru")
    yield _single("tis-620", "tis_620", "windows-874", "cp874", "iso-8859-11")
    yield _single("macintosh", "mac_roman", "mac", "x-mac-roman")
    yield Charset("us-ascii", ("ascii",), ("us-ascii", "ascii", "ansi_x3.4-1968", "iso-ir-6", "unknown-8bit"))
    yield Charset(ANY, ("ascii", "utf-8"), ())
    # For ASCII they differ only in where a character begins; what is none of them is ANY.
    doubles = (*_KOREAN, *_CHINESE, *_BIG5, *_EUC_JP)
    yield Charset(DOUBLE, ("ascii",), doubles, _span((0x81, 0xFE)), gb_trails)


CHARSETS: Mapping[str, Charset] = {charset.name: charset for charset in _families()}
_REAL = [charset for charset in CHARSETS.values() if charset.name not in (ANY, DOUBLE)]
_NAMES = {label: charset.name for charset in reversed(_REAL) for label in (*charset.labels, charset.name)}
# A name that a narrower charset of a family has as well means what its own standard says.
_NAMES |= dict.fromkeys(("cp949", "cp-949", "ms949", "windows-949", "x-windows-949", "uhc", "x-uhc"), "cp949")
_NAMES |= dict.fromkeys(("gbk", "x-gbk", "cp936", "ms936", "windows-936"), "gbk")
_NAMES |= dict.fromkeys(("gb2312", "gb2312-80", "euc-cn", "x-euc-cn", "chinese", "iso-ir-58"), "gb2312")
_NAMES |= {name: name for name in CHARSETS}

_SCRIPTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("HANGUL", ("euc-kr", "cp949", "iso-2022-kr")),
    ("HIRAGANA", ("iso-2022-jp", "shift_jis", "euc-jp")),
    ("KATAKANA", ("iso-2022-jp", "shift_jis", "euc-jp")),
    ("CJK", ("gb18030", "big5", "iso-2022-jp", "shift_jis", "euc-jp")),
    ("CYRILLIC", ("koi8-r", "koi8-u", "windows-1251", "iso-8859-5")),
    ("GREEK", ("iso-8859-7", "windows-1253")),
    ("HEBREW", ("iso-8859-8", "windows-1255")),
    ("ARABIC", ("iso-8859-6", "windows-1256")),
    ("THAI", ("tis-620",)),
    ("FULLWIDTH", ("cp949", "gb18030", "big5", "iso-2022-jp", "shift_jis", "euc-jp")),
    ("", ("iso-8859-1", "iso-8859-15", "windows-1252", "iso-8859-2", "windows-1250", "iso-8859-9", "windows-1254",
          "windows-1257", "windows-1258")),
)  # fmt: skip


def canonical(label: str) -> str:
    """The name of the charset that this label means, or an empty string."""
    return _NAMES.get(label.strip().lower(), "")


def default_charsets(phrase: str) -> list[str]:
    """UTF-8, and those that people use who write in the script of the phrase; of a wide choice, what can write it."""
    names = [unicodedata.name(char, "") for char in phrase if ord(char) > 0x7F]
    if not names:
        return [ANY, DOUBLE, "shift_jis", "iso-2022-jp", "iso-2022-kr"]
    for script, charsets in _SCRIPTS:
        if any(name.startswith(script) for name in names):
            wide = script not in ("HANGUL", "HIRAGANA", "KATAKANA")
            return ["utf-8", *(name for name in charsets if not (wide and CHARSETS[name].lacks(phrase)))]
    return ["utf-8"]
