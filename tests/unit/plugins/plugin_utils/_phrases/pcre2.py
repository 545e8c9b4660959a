# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The library that Postfix asks, asked as Postfix asks it (util/dict_pcre.c); every Debian has it for libselinux."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterable, Mapping
from typing import Any

_CASELESS, _DOTALL = 0x8, 0x20
_NO_MATCH = -1
_INFO_SIZE = 22


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libpcre2-8.so.0")
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.pcre2_compile_8.restype = pointer
    library.pcre2_compile_8.argtypes = [ctypes.c_char_p, size, ctypes.c_uint32, pointer, pointer, pointer]
    library.pcre2_match_data_create_from_pattern_8.restype = pointer
    library.pcre2_match_data_create_from_pattern_8.argtypes = [pointer, pointer]
    library.pcre2_match_8.argtypes = [pointer, ctypes.c_char_p, size, size, ctypes.c_uint32, pointer, pointer]
    library.pcre2_pattern_info_8.argtypes = [pointer, ctypes.c_uint32, pointer]
    library.pcre2_match_data_free_8.argtypes = [pointer]
    library.pcre2_code_free_8.argtypes = [pointer]
    return library


class Pattern:
    """An expression with the flags of pcre_table(5)."""

    def __init__(self, text: str, flags: str) -> None:
        assert set(flags) <= {"i"}
        data = text.encode("ascii")
        error, offset = ctypes.c_int(), ctypes.c_size_t()
        options = _DOTALL if "i" in flags else _DOTALL | _CASELESS
        self._code = _library().pcre2_compile_8(
            data, len(data), options, ctypes.byref(error), ctypes.byref(offset), None
        )
        assert self._code, f"error {error.value} at {offset.value}: {text[max(0, offset.value - 30) : offset.value]}"
        self._found = _library().pcre2_match_data_create_from_pattern_8(self._code, None)

    def __del__(self) -> None:
        if self._code:
            _library().pcre2_match_data_free_8(self._found)
            _library().pcre2_code_free_8(self._code)

    @property
    def size(self) -> int:
        """Octets of the compiled expression."""
        size = ctypes.c_size_t()
        _library().pcre2_pattern_info_8(self._code, _INFO_SIZE, ctypes.byref(size))
        return size.value

    def matches(self, header: bytes) -> bool:
        """:raises AssertionError: PCRE2 gave up, which Postfix takes for no match"""
        result = _library().pcre2_match_8(self._code, header, len(header), 0, 0, self._found, None)
        assert result >= _NO_MATCH, f"PCRE2 gave up with {result} in {header[:200]!r}"
        return bool(result > 0)


class Table:
    """Lines as the filters make them."""

    def __init__(self, lines: Iterable[Mapping[str, Any]]) -> None:
        self.patterns = [Pattern(line["pattern"], line["flags"]) for line in lines]

    def finds(self, header: bytes) -> bool:
        return any(pattern.matches(header) for pattern in self.patterns)
