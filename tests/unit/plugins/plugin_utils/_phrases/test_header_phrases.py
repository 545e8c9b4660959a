# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Phrases are found in every form in which they travel, and nothing else is taken for them."""

from __future__ import annotations

import functools
import itertools
import unicodedata
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from random import Random
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.rules import (
    PhraseError,
    compile_rule,
    compile_rules,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from pcre2 import Pattern, Table
from travel import CODECS, GAPS, cut_anywhere, cut_between_characters, every_split, word, words

# phrase, and what writes it
PHRASES = {
    "(광고)": ["utf-8", "euc_kr", "cp949"],
    "광고": ["utf-8", "euc_kr", "cp949"],
    "[광고] AD": ["utf-8", "euc_kr", "cp949"],
    "뷁": ["utf-8", "cp949"],
    "(広告)": ["utf-8", "iso2022_jp", "cp932", "euc_jp"],
    "広告": ["utf-8", "iso2022_jp", "cp932", "euc_jp"],
    "未承諾広告※": ["utf-8", "iso2022_jp", "cp932", "euc_jp"],
    "广告": ["utf-8", "gb18030"],
    "廣告": ["utf-8", "cp950", "gb18030"],
    "реклама": ["utf-8", "koi8_r", "cp1251"],
    "publicité": ["utf-8", "latin_1"],
    "[AD]": ["utf-8", "euc_kr", "cp949", "iso2022_jp", "cp932", "euc_jp", "gb18030", "cp950", "latin_1"],
    "viagra": ["utf-8", "euc_kr", "iso2022_jp", "cp932", "gb18030", "koi8_r", "latin_1"],
}
WAYS = [(phrase, codec) for phrase, codecs in PHRASES.items() for codec in codecs]
LETTERS = "가나광고뷁힣 AD()[]bc広告大あいアｱ中文广реклам é="

each_way = pytest.mark.parametrize(("phrase", "codec"), WAYS)


@functools.cache
def table(phrase: str, **options: Any) -> Table:
    return Table(compile_rules([{"phrase": phrase, **options}]))


def found(phrase: str, value: bytes, **options: Any) -> bool:
    return table(phrase, **options).finds(b"Subject: " + value)


@each_way
def test_raw(phrase: str, codec: str) -> None:
    assert found(phrase, phrase.encode(codec))
    assert found(phrase, f"a {phrase} b".encode(codec))


@each_way
@pytest.mark.parametrize("encoding", ["b", "B", "q", "Q"])
def test_one_word_with_every_label_and_at_every_alignment(phrase: str, codec: str, encoding: str) -> None:
    random = Random(1)
    for before, label in itertools.product(["", "a", "ab", "abc"], CODECS[codec]):
        value = word(f"{before}{phrase} and more".encode(codec), label, encoding, random)
        assert found(phrase, value), value


@each_way
def test_cut_at_every_character(phrase: str, codec: str) -> None:
    random = Random(2)
    for parts in every_split(f"a{phrase}", codec):
        for encodings in itertools.product("BQ", repeat=len(parts)):
            coded = [
                word(part, CODECS[codec][0], encoding, random)
                for part, encoding in zip(parts, encodings, strict=True)
                if part
            ]
            for gap in GAPS:
                assert found(phrase, gap.join(coded)), coded


@pytest.mark.parametrize(("phrase", "codec"), [way for way in WAYS if way[1] != "iso2022_jp"])
def test_cut_inside_characters(phrase: str, codec: str) -> None:
    random = Random(3)
    for _attempt in range(100):
        before, after = (random.choice(["", "a", "나", "bc"]) if codec == "cp949" else "a" for _ in "ba")
        data = (before + phrase + after).encode(codec)
        value = words(cut_anywhere(data, len(before.encode(codec)), random), codec, random)
        assert found(phrase, value), value


@each_way
def test_header_class_of_python(phrase: str, codec: str) -> None:
    for text in (
        phrase,
        f"{phrase} special offer, today only, and a subject that takes more than one line",
        f"x{phrase}",
    ):
        header = Header(text, codec.replace("_", "-").replace("cp932", "shift_jis"), header_name="Subject")
        value = header.encode().encode("ascii", "surrogateescape")
        assert found(phrase, value), value


@pytest.mark.parametrize("phrase", PHRASES)
@pytest.mark.parametrize("width", [40, 60, 78, 998])
def test_message_class_of_python(phrase: str, width: int) -> None:
    for before in ("", "a" * 20, "가나다 " * 8):
        message = EmailMessage(policy=SMTP.clone(max_line_length=width))
        message["Subject"] = f"{before}{phrase} 특가 today"
        lines = message.as_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        assert table(phrase).finds(lines), lines
        message = EmailMessage(policy=SMTP.clone(max_line_length=width, utf8=True))
        message["Subject"] = f"{before}{phrase} 특가 today"
        lines = message.as_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        assert table(phrase).finds(lines), lines


@pytest.mark.parametrize(
    "value",
    [
        "(=?euc-kr?B?saSw7Q==?=)",
        "( =?euc-kr?B?saSw7Q==?= )",
        "(\n =?utf-8?Q?=EA=B4=91?=\n\t=?utf-8?B?6rOg?=) today",
        "=?utf-8?Q?(?= =?euc-kr?B?saSw7Q==?= =?us-ascii?Q?)?=",
        "=?us-ascii?B?KA==?= =?euc-kr?B?saSw7Sk=?=",
        "=?EUC-KR?B?KLGksO0p?=",
        "=?euc-kr?b?KLGksO0p",  # the end of the word is lost
        "=?euc-kr?B?KA=?= =?euc-kr?B?saSw7Sk?=",  # padding is lost
        "=?UTF-8?Q?=28=ea=b4=91=ea=B3=A0=29?=",
        "=?utf-8*ko-KR?Q?(=EA=B4=91=EA=B3=A0)?=",
        "=?ks_c_5601-1987?Q?a_(=B1=A4=B0=ED)?=",
        '"=?euc-kr?B?KLGksO0p?=" <a@example.org>',
    ],
)
def test_forms_of_careless_software(value: str) -> None:
    assert found("(광고)", value.encode())


def test_characters_of_three_bytes_stand_before_the_phrase() -> None:
    random = Random(5)
    for before, encoding in itertools.product(["é", "aé", "abé", "éé", "ｱé", "広é"], "BQ"):
        data = f"{before}広告".encode("euc_jp")
        assert found("広告", data, charsets=("euc-jp",))
        assert found("広告", word(data, "euc-jp", encoding, random), charsets=("euc-jp",))


def test_eight_bits_in_the_q_encoding() -> None:
    assert found("(광고)", b"=?euc-kr?Q?(\xb1\xa4=B0\xed)?=")


def test_decomposed_characters() -> None:
    assert found("(광고)", unicodedata.normalize("NFD", "(광고)").encode())
    assert not found("광고", unicodedata.normalize("NFD", "광곡").encode())
    assert found("publicité", unicodedata.normalize("NFD", "Publicité").encode())


@pytest.mark.parametrize(
    ("phrase", "value"),
    [
        ("(광고)", "광고".encode()),
        ("(광고)", "광고 (x)".encode()),
        ("(광고)", "(광 고)".encode()),
        ("(광고)", "(광)고".encode()),
        ("(광고)", b"KLGksO0p"),
        ("(광고)", b"=?iso-8859-1?B?KLGksO0p?="),
        ("(광고)", b"=?iso-8859-1?Q?(=B1=A4=B0=ED)?="),
        ("(광고)", b"(=B1=A4=B0=ED)"),
        ("(광고)", b"=?utf-8?B?KLGksO0p?="),
        ("(광고)", b"=?euc-kr?X?KLGksO0p?="),
        ("(광고)", b"=?euc-kr?Q?KLGksO0p?="),
        ("(광고)", b"=?euc-kr?B?KLGksO0q?="),  # the last byte is another
        ("(광고)", b"=?euc-kr?B?KbGksO0p?="),  # the first byte is another
        ("광고", "가ㄹ".encode("euc_kr") + b"\xb1\xa4" + "ㅁ".encode("euc_kr")),
        ("광고", b"\xb0\xb1\xa4\xb0\xed\xa1"),  # the same bytes, half a character off
        ("광고", b"=?euc-kr?Q?=B0=B1=A4=B0=ED=A1?="),
        ("광고", b"=?euc-kr?B?sLGksO2h?="),
        ("광고", b"=?cp949?B?YbCxpLDtoQ==?="),
        ("AD", b"=?utf-8?B?AADA?="),
        ("AD", b"=?utf-8?Q?=AD=BA=DA?="),
        ("AD", b"=?iso-2022-jp?B?GyRCQUQbKEI=?="),  # one kanji whose bytes are A and D
        ("AD", b"\x1b$BAD\x1b(B"),
        ("viagra", b"=?utf-8?B?dmlhZ3J1?="),
    ],
)
def test_near_misses(phrase: str, value: bytes) -> None:
    assert not found(phrase, value)


def test_other_headers_pass() -> None:
    for name in (b"X-Subject", b"Subject-X", b"Comments"):
        assert not table("(광고)").finds(name + b": (" + "광고".encode() + b")")
    assert table("(광고)").finds("SUBJECT:(광고)".encode())


@given(st.data())
def test_what_a_reader_sees_decides(data: st.DataObject) -> None:
    """Any text in any encoding: found exactly when the phrase is in it."""
    phrase, codec = data.draw(st.sampled_from(WAYS))
    text = data.draw(st.text(LETTERS, max_size=12))
    if data.draw(st.booleans()):
        text += phrase + data.draw(st.text(LETTERS, max_size=5))
    random = Random(data.draw(st.integers(0, 2**32)))
    try:
        text.encode(codec)
    except UnicodeError:
        assume(False)
    assume(text and not (codec == "euc_kr" and "뷁" in text))
    value = words(cut_between_characters(text, codec, random), codec, random)
    assert found(phrase, value) == (phrase.lower() in text.lower()), value


@given(st.text(LETTERS, max_size=14), st.sampled_from(["utf-8", "cp949"]))
def test_raw_text(text: str, codec: str) -> None:
    try:
        value = text.encode(codec)
    except UnicodeError:
        assume(False)
    for phrase in ("(광고)", "광고"):
        assert found(phrase, value) == (phrase in text)


def test_start() -> None:
    options: dict[str, Any] = {"anchor": "start"}
    for value in ("(광고) x", "=?utf-8?B?KOq0keqzoCk=?=", "(=?euc-kr?B?saSw7Q==?=)", '"(광고)" <a@example.org>'):
        assert found("(광고)", value.encode(), **options), value
        assert found("(광고)", b"\n " + value.encode(), **options), value
    for value in ("Re: (광고) x", "=?utf-8?B?YSjqtJHqs6Ap?=", "=?utf-8?Q?a?= =?utf-8?B?KOq0keqzoCk=?="):
        assert not found("(광고)", value.encode(), **options), value
        assert found("(광고)", value.encode()), value
    for codec in ("iso2022_jp", "cp932"):
        assert found("広告", words(["広告".encode(codec)], codec, Random(1)), **options)
        assert not found("広告", words(["新広告".encode(codec)], codec, Random(1)), **options)


def test_white_space() -> None:
    for text in ("( 광고)", "(광 고)", "(\u3000광\u00a0고 )", "(광\u200b고)", "(광  고)"):
        value = words(cut_between_characters(text, "utf-8", Random(4)), "utf-8", Random(4))
        assert not found("(광고)", value)
        assert found("(광고)", value, ignore_space=True), text
        assert found("(광고)", text.encode(), ignore_space=True), text
    assert not found("(광고)", "(광a고)".encode(), ignore_space=True)
    for text in ("무료 체험", "무료  체험", "무료\n 체험", "무료\t체험"):
        assert found("무료 체험", text.encode()), text
        assert found("무료 체험", word(text.replace("\n", "").encode(), "utf-8", "B", Random(1)))
    assert not found("무료 체험", "무료체험".encode())


def test_case() -> None:
    assert found("[AD]", b"[ad]") and found("[AD]", b"=?utf-8?B?W2FkXQ==?=") and found("[AD]", b"=?utf-8?Q?=5bad]?=")
    assert not found("[AD]", b"[ad]", ignore_case=False)
    assert found("[AD]", b"[AD]", ignore_case=False)
    assert found("реклама", words(["РЕКЛАМА".encode("koi8_r")], "koi8_r", Random(1)))


def test_variants_and_headers() -> None:
    rules = [{"phrase": "(광고)", "variants": ["[광고]", "（광고）"], "header": ["Subject", "X-Title"]}]
    many = Table(compile_rules(rules))
    assert all(
        many.finds(f"{name}: {text}".encode()) for name in ("Subject", "x-title") for text in ("(광고)", "（광고）")
    )
    assert not many.finds("Subject: <광고>".encode())
    assert Table(compile_rules([{"phrase": "광고", "header": "*"}])).finds("Anything: 광고".encode())
    tables = [line["table"] for line in compile_rules([{"phrase": "x", "header": ["Subject", "Content-Description"]}])]
    assert set(tables) == {"header_checks", "mime_header_checks"}
    assert Table(compile_rules([{"phrase": "x", "header": "X.Y"}])).finds(b"X.Y: x")
    assert not Table(compile_rules([{"phrase": "x", "header": "X.Y"}])).finds(b"X-Y: x")


def test_a_charset_that_lacks_a_character_is_skipped_and_named() -> None:
    compiled = compile_rule({"phrase": "뷁", "charsets": ["utf-8", "euc-kr", "iso-8859-1"]})
    assert [(each.charset, each.missing) for each in compiled.skipped] == [("euc-kr", "뷁"), ("iso-8859-1", "뷁")]
    assert len(compiled.patterns) == 1
    assert [each.charset for each in compile_rule({"phrase": "뷁"}).skipped] == ["euc-kr", "iso-2022-kr"]
    with pytest.raises(PhraseError, match="no charset can write"):
        compile_rule({"phrase": "뷁", "charsets": ["euc-kr"]})
    with pytest.raises(PhraseError, match="no charset klingon"):
        compile_rule({"phrase": "광고", "charsets": ["klingon"]})


@pytest.mark.parametrize("phrase", [*PHRASES, "광고문구" * 10, "Advertisement " * 4])
@pytest.mark.parametrize("options", [{}, {"ignore_case": False}])
def test_expressions_are_ascii_and_small_enough(phrase: str, options: dict[str, Any]) -> None:
    for line in compile_rules([{"phrase": phrase, **options}]):
        assert line["pattern"].isascii() and line["pattern"].isprintable()
        assert Pattern(line["pattern"], line["flags"]).size < 65535


def test_a_phrase_that_is_too_long_is_refused() -> None:
    with pytest.raises(PhraseError, match="too long"):
        compile_rules([{"phrase": "광고" * 100}])


HOSTILE = [
    b"=?euc-kr?B?" * 5000,
    b"=?utf-8?Q?(?= " * 4000,
    b"=?euc-kr?B?" + b"saSw" * 15000,
    b"=?euc-kr?Q?" + b"=B1=A4" * 10000,
    b"(" * 60000,
    b"( \n " * 15000,
    b"=?utf-8?B?KA==?= " + b" " * 50000,
    b"=?iso-2022-kr?B?" + b"DjEk" * 15000,
    b"\x1b$B" * 20000,
    b"=?iso-2022-jp?B?" + b"GyRC" * 15000,
    b"\xb1" * 59999,
    b"=?us-ascii?Q?(?=\n " * 3000,
    b"=?x?Q?a?b" * 6000,
]


@pytest.mark.parametrize("phrase", ["(광고)", "광고", "[광고] AD", "広告", "AD", "a b c d"])
def test_nothing_makes_pcre2_give_up(phrase: str) -> None:
    for value in HOSTILE:
        found(phrase, value[:20000], ignore_space=phrase != "a b c d")


def test_lines() -> None:
    (line,) = compile_rules(
        [{"phrase": "é", "charsets": ["iso-8859-1"], "action": "REJECT", "text": "5.7.1 costs $5", "header": "From"}]
    )
    assert line["line"].endswith("i REJECT 5.7.1 costs $$5")
    assert line["comment"] == "From: é in iso-8859-1"
    (line,) = compile_rules([{"phrase": "é", "charsets": ["iso-8859-1"], "text": "no", "observe": True}])
    assert " WARN observed header_phrases[0], would REJECT" in line["line"]
