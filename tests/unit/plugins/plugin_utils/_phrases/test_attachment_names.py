# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attachments are found by name in every form a name can have, and no other names are."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.policy import SMTP
from random import Random

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.attachments import compile_attachments
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.extensions import DANGEROUS_EXTENSIONS
from hypothesis import given
from hypothesis import strategies as st
from pcre2 import Table
from travel import GAPS, cut_anywhere, word

PARAMETERS = ("name", "filename", "FileName")


@functools.cache
def dangerous() -> Table:
    return Table(compile_attachments([{"extensions": ["dangerous"]}]))


@functools.cache
def named(*names: str) -> Table:
    return Table(compile_attachments([{"names": names}]))


def headers(parameters: str) -> list[bytes]:
    return [
        b"Content-Disposition: attachment;" + parameters.encode(),
        b"content-type: application/octet-stream;" + parameters.encode(),
    ]


@pytest.mark.parametrize(
    "parameters",
    [
        'filename="a.exe"',
        " filename=a.exe",
        " name=a.EXE; x=y",
        ' filename="a.exe."',
        ' filename="a.exe . ."',
        ' filename="a.exe ',
        r' filename="a\.exe"',
        r' filename="a\"b.e\x\e"',
        " filename*=utf-8''a%2Eexe",
        " filename*=utf-8''a%2e%45X%65;x=1",
        " filename*=utf-8'en'a.exe%20",
        " filename*=\"utf-8''a.exe\"",
        " filename*=a.exe",
        ' filename*0="a.e";\n filename*1="xe"',
        " filename*0*=utf-8''%61; filename*1*=%2Eexe",
        " filename*0*=utf-8''%61.e; filename*1=xe",
        ' filename*0="a";\n\tfilename*1*=%2Ee;\n\tfilename*2="x";\n\tfilename*3=e',
        ' filename = "a.exe"',
        ' filename (the name) = "a.exe" (its end)',
        ' filename="=?utf-8?Q?a=2Eexe?="',
        ' filename="=?utf-8?B?YS5leGU=?="',
        ' filename="=?utf-8?B?YS5leGUu?="',
        ' filename="=?utf-8?B?YS5l?= =?utf-8?Q?xe?="',
        ' filename="=?utf-8?B?YQ==?=.exe"',
        ' filename="a.=?utf-8?B?ZXhl?="',
        " filename==?utf-8?B?YS5leGU=?=",
        ' filename="report.pdf.exe"',
        ' filename="report.pdf                          .exe"',
        ' filename="a.exe',
        '\n\tfilename="a b c.exe"',
        " filename=my file.exe",
        " filename=a.exe\n size=3",
        ' size=4; filename="송장.exe"',
        ' filename="\u202ecod.exe"',
    ],
)
def test_forms(parameters: str) -> None:
    for header in headers(parameters):
        assert dangerous().finds(header), header


@pytest.mark.parametrize(
    "parameters",
    [
        ' filename="a.exe.txt"',
        " filename=executive.pdf",
        ' filename="a.exe file.txt"',
        ' filename="exe"',
        ' filename="aexe"',
        ' filename="a.exe; b.txt"',
        ' filename="a.exe (1).txt"',
        ' filename="a.exe-1"',
        " filename*=utf-8''a.exe.txt",
        " filename*=utf-8''a.exe%2Etxt",
        ' filename*0="a.exe"; filename*1=".txt"',
        ' filename*0="a.exe";\n\tfilename*1*=%2etxt',
        " filename*0=a.exe; filename*1=.txt",
        ' filename="=?utf-8?B?YS5leGU=?=.txt"',
        ' filename="=?utf-8?B?YS5leGUudHh0?="',
        ' filename="=?utf-8?Q?a.exe=2Etxt?="',
        ' filename="=?utf-8?Q?a.exe?= =?utf-8?Q?.txt?="',
        ' xname="a.exe"',
        ' title="a.exe"',
        ' filename="YS5leGU="',
        ' filename="a%2Eexe"',
        ' filename="a.json"',
        ' filename="a.jpg"',
        ' filename="report.common"',
        ' filename="a.htm"',
        " filename=a.exe.txt",
        "",
    ],
)
def test_near_misses(parameters: str) -> None:
    for header in headers(parameters):
        assert not dangerous().finds(header), header


def test_other_headers_pass() -> None:
    for name in ("Subject", "Content-Description", "X-Content-Type"):
        assert not dangerous().finds(f'{name}: x; name="a.exe"'.encode())


@pytest.mark.parametrize("extension", DANGEROUS_EXTENSIONS)
def test_every_extension(extension: str) -> None:
    for header in headers(f' filename="a.{extension}"') + headers(f" filename*=utf-8''b%2E{extension.upper()}"):
        assert dangerous().finds(header)
    for header in headers(f' filename="a.{extension}.zip"') + headers(f' filename="{extension}"'):
        assert not dangerous().finds(header)


def _new_style(name: str, width: int) -> Message:
    message = EmailMessage(policy=SMTP.clone(max_line_length=width))
    message.add_attachment(b"x", "application", "octet-stream", filename=name)
    return message


def _old_style(name: str, width: int) -> Message:
    part = MIMEBase("application", "octet-stream", name=name)
    part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name))
    return part


@pytest.mark.parametrize("make", [_new_style, _old_style])
@pytest.mark.parametrize("stem", ["a", "a b", "송장 2026", "x" * 70, "송장" * 30, 'quo"te', "back\\slash"])
@pytest.mark.parametrize("width", [40, 78])
def test_messages_of_python(make: Callable[[str, int], Message], stem: str, width: int) -> None:
    for name, dangers in ((f"{stem}.exe", True), (f"{stem}.exe.txt", False), (f"{stem}.Js", True)):
        text = make(name, width).as_bytes().replace(b"\r\n", b"\n").rpartition(b"\n\n")[0]
        found = [part for part in re.split(rb"\n(?![ \t])", text) if part.startswith(b"Content-") and b"name" in part]
        assert found
        if dangers:
            assert any(dangerous().finds(header) for header in found), found
        else:
            assert not any(dangerous().finds(header) for header in found), found


def percent(data: bytes, random: Random) -> bytes:
    def one(byte: int) -> str:
        plain = chr(byte).isalnum() and byte < 0x80
        return chr(byte) if plain and random.random() < 0.6 else f"%{byte:02{random.choice('xX')}}"

    return "".join(map(one, data)).encode()


def travelling(name: str, form: str, random: Random) -> bytes:
    """The parameter as one of the forms has it."""
    data, key = name.encode(), random.choice(PARAMETERS).encode()
    parts = cut_anywhere(data, 1, random)
    if form == "quoted":
        return b"; " + key + b'="' + data + b'"'
    if form == "percent":
        return b"; " + key + b"*=utf-8''" + percent(data, random)
    if form == "words":
        labels = ["utf-8", "iso-8859-1*en", "koi8-r"] if name.isascii() else ["utf-8", "UTF-8*ko"]
        coded = [word(part, random.choice(labels), random.choice("bBqQ"), random) for part in parts]
        return b"; " + key + b'="' + random.choice(GAPS).join(coded) + b'"'
    pieces = []
    for number, part in enumerate(parts):
        begin = b";%s" % random.choice([b" ", b"\n ", b""]) + key + b"*%d" % number
        if random.random() < 0.5 and part.isascii():
            pieces.append(begin + b'="' + part + b'"')
        else:
            pieces.append(begin + b"*=" + (b"utf-8''" if number == 0 else b"") + percent(part, random))
    return b"".join(pieces)


FORMS = st.sampled_from(["quoted", "percent", "words", "pieces"])
STEMS = st.text("ab가.-_ exe1()", min_size=1, max_size=10)


@given(STEMS, st.sampled_from(["exe", "JS", "Scr", "settingcontent-ms"]), FORMS, st.integers(0, 2**32))
def test_every_form_is_found(stem: str, extension: str, form: str, seed: int) -> None:
    random = Random(seed)
    name = f"{stem}.{extension}" + random.choice(["", "", ".", " ."])
    header = b"Content-Disposition: attachment" + travelling(name, form, random)
    assert dangerous().finds(header), header


@given(
    STEMS, st.sampled_from(["exe", "js"]), st.sampled_from(["txt", "exec", "jsx", "com1"]), FORMS, st.integers(0, 2**32)
)
def test_what_goes_on_is_not(stem: str, extension: str, more: str, form: str, seed: int) -> None:
    header = b"Content-Disposition: attachment" + travelling(f"{stem}.{extension}.{more}", form, Random(seed))
    assert not dangerous().finds(header), header


@given(st.sampled_from(["", "x", "-2026 가", "a b.c"]), FORMS, st.integers(0, 2**32))
def test_patterns_of_names(middle: str, form: str, seed: int) -> None:
    random = Random(seed)
    for name, matches in (
        (f"Invoice{middle}.ZIP", True),
        (f"my invoice{middle}.zip", False),
        (f"invoice{middle}.zip.pdf", False),
        (f"invoice{middle}.zi", False),
    ):
        header = b"Content-Type: x/y" + travelling(name, form, random)
        assert named("invoice*.zip").finds(header) == matches, header


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("송장*.zip", "송장 1.zip", True),
        ("송장*.zip", "견적.zip", False),
        ("*urgent*", "very Urgent.pdf", True),
        ("*urgent*", "nothing.pdf", False),
        ("a?c.txt", "abc.txt", True),
        ("a?c.txt", "ac.txt", False),
        ("a?c.txt", "abbc.txt", False),
        ("invoice*", "invoice", True),
        ("invoice.zip", "invoice.zip", True),
        ("invoice.zip", "1invoice.zip", False),
        ("*.tar.gz", "x.tar.gz", True),
        ("*.tar.gz", "x.gz", False),
        ("a*b*c.zip", "a--b--c.zip", True),
        ("a*b*c.zip", "a--c--c.zip", False),
        ("a*b*c.zip", "ac--b-c.zip", True),
    ],
)
def test_wildcards(pattern: str, name: str, matches: bool) -> None:
    for form in ("quoted", "percent", "words", "pieces"):
        for seed in range(10):
            header = b"Content-Type: x/y" + travelling(name, form, Random(seed))
            assert named(pattern).finds(header) == matches, header


def test_a_name_in_its_own_charset() -> None:
    for codec in ("euc_kr", "utf-8"):
        data = "송장7.zip".encode(codec)
        assert named("송장*.zip").finds(b'Content-Type: x/y; name="' + data + b'"')
        assert named("송장*.zip").finds(b'Content-Type: x/y; name="' + word(data, codec, "B", Random(1)) + b'"') or (
            codec == "euc_kr"
        )


HOSTILE = [
    b"; name=" * 4000,
    b'; name="' * 4000,
    b'; name="' + b"a.e" * 15000,
    b"; name*=" + b"%2e" * 15000,
    b'; name="' + b"=?x?Q?" * 8000,
    b'; name="=?x?B?' + b"YS5l" * 10000,
    b'; name*0="a.e"' * 3000,
    b'; name*0="a."; name*1=""' * 1500,
    b"; name=" + b" " * 40000,
    b"; name=" + b"name= " * 4000,
    b"; name=" + b"=?x?Q?a?= " * 4000,
    b"; name*=" + b"name*= " * 4000,
    b'; name="' + b"abc" * 6000,
    b'; name="=?x?Q?' + b"abc" * 6000,
    b'; name="=?x?B?' + b"YWJj" * 5000,
    b"; name=a.exe" + b" " * 40000 + b"x",
    b'; name="' + b"\\" * 40000,
]


def test_nothing_makes_pcre2_give_up() -> None:
    few = Table(compile_attachments([{"extensions": ["exe", "scr", "js"]}]))
    for value in HOSTILE:
        few.finds(b"Content-Type: x/y" + value[:20000])
        named("a*b.zip").finds(b"Content-Type: x/y" + value[:20000])


def test_lines() -> None:
    lines = compile_attachments([{"extensions": ["exe", ".Scr"], "text": "no programs"}, {"names": ["x.zip"]}])
    assert [line["name"] for line in lines] == ["attachment_names[0]", "attachment_names[1]"]
    assert {line["table"] for line in lines} == {"mime_header_checks"}
    assert lines[0]["line"].endswith("i REJECT no programs")
    assert lines[0]["comment"] == "*.exe *.scr"
    assert all(len(line["pattern"]) < 16500 and line["pattern"].isascii() for line in lines)
