# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Byte classes as an expression sees them in base64 and in the Q encoding.

Base64 writes three bytes in four digits. A byte that begins inside a digit shares it with the byte before: *bits* are
those of that byte, known or not, and a digit of which only a part is known becomes a class of digits.
"""

from __future__ import annotations

import string
from collections.abc import Collection, Iterable

DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
ANY_DIGIT = r"[A-Za-z0-9+\/]"
# Bytes that stand for themselves in an expression, whatever is around them.
_PLAIN = frozenset((string.ascii_letters + string.digits).encode())
HEX = "[0-9A-Fa-f]"


def literal(byte: int) -> str:
    """The byte itself; the slash is pcre_table(5)'s delimiter."""
    if byte in _PLAIN:
        return chr(byte)
    return "\\" + chr(byte) if 0x21 <= byte < 0x7F else f"\\x{byte:02X}"


def digit_class(values: Iterable[int]) -> str:
    """Base64 digits with one of these values."""
    wanted = sorted({DIGITS[value] for value in values})
    if len(wanted) == 64:
        return ANY_DIGIT
    if len(wanted) == 1:
        return literal(ord(wanted[0]))
    return "[" + "".join(_runs(wanted)) + "]"


def _runs(chars: list[str]) -> Iterable[str]:
    """``ABCD`` as ``A-D``."""
    runs: list[list[str]] = []
    for char in chars:
        if runs and ord(char) == ord(runs[-1][-1]) + 1 and char.isalnum() and runs[-1][-1].isalnum():
            runs[-1].append(char)
        else:
            runs.append([char])
    for run in runs:
        ends = [literal(ord(run[0])), literal(ord(run[-1]))]
        yield "-".join(ends) if len(run) > 2 else "".join(literal(ord(char)) for char in run)


def byte_in_base64(byte: int, phase: int, bits: int | None) -> tuple[str, int, int | None]:
    """The digits that a byte completes.

    :param phase: 0 to 2, place in the group of three
    :param bits: of the byte before, which the first digit begins with; None when they can be any
    :return: expression, phase and bits for the byte behind
    """
    if phase == 0:
        return digit_class([byte >> 2]), 1, byte & 3
    if phase == 1:
        return digit_class((high << 4) | (byte >> 4) for high in _any(bits, 4)), 2, byte & 15
    return digit_class((high << 2) | (byte >> 6) for high in _any(bits, 16)) + digit_class([byte & 63]), 0, None


def nibbles_in_base64(nibbles: Collection[int], phase: int) -> str:
    """The digits that any byte completes whose upper half is one of ``nibbles``; the byte before may be any."""
    if phase == 0:
        return digit_class(value for value in range(64) if value >> 2 in nibbles)
    if phase == 1:
        return digit_class(value for value in range(64) if value & 15 in nibbles)
    ways = []
    for top in range(4):
        low = [value for value in range(64) if (top << 2 | value >> 4) in nibbles]
        if low:
            ways.append(digit_class(value for value in range(64) if value & 3 == top) + digit_class(low))
    return ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"


def rest_in_base64(phase: int, bits: int | None) -> str:
    """The digit that has the last bits of the last byte; what follows in it is not known."""
    if phase == 0:
        return ""
    width = 4 if phase == 1 else 2
    return digit_class(
        (high << width) | low for high in _any(bits, 4 if phase == 1 else 16) for low in range(1 << width)
    )


def _any(bits: int | None, number: int) -> Iterable[int]:
    return range(number) if bits is None else [bits]


def byte_in_q(byte: int) -> str:
    """A byte in the Q encoding: itself where the encoding or careless software lets it stand, or in hexadecimal."""
    first, second = (f"{byte:02X}"[place] for place in (0, 1))
    code = "=" + "".join(char if char.isdigit() else f"[{char}{char.lower()}]" for char in (first, second))
    if byte == 0x20:
        return rf"(?:[_\x20]|{code})"
    if chr(byte) in "=?_" or byte < 0x20 or byte == 0x7F:
        return code
    return f"(?:{literal(byte)}|{code})"


def nibbles_in_q(nibbles: Collection[int]) -> str:
    """Any byte whose upper half is one of ``nibbles``."""
    digits = "".join(f"{value:X}" + (f"{value:x}" if value > 9 else "") for value in sorted(nibbles))
    raw = "".join(rf"\x{value:X}0-\x{value:X}F" for value in sorted(nibbles) if value not in (3, 5))
    # 3D is "=", and 3F is "?", which ends a word
    raw += (r"\x30-\x3C\x3E" if 3 in nibbles else "") + (r"\x50-\x5F" if 5 in nibbles else "")
    return f"(?:=[{digits}]{HEX}|[{raw}])"


def bytes_in_base64(values: Collection[int], phase: int, bits: int | None) -> list[tuple[str, int, int | None]]:
    """As :func:`byte_in_base64` for any of some bytes; those that lead to the same bits share an expression."""
    if len(values) > 128:
        # What is left of the byte before is told by the first digit, whatever this byte is.
        first = rest_in_base64(phase, bits) or ANY_DIGIT
        return [(first + ANY_DIGIT if phase == 2 else first, (phase + 1) % 3, None)]
    if phase == 2:
        tops: dict[int, set[int]] = {}
        for byte in values:
            tops.setdefault(byte >> 6, set()).add(byte & 63)
        ways = [
            digit_class((high << 2) | top for high in _any(bits, 16)) + digit_class(low) for top, low in tops.items()
        ]
        return [(ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})", 0, None)]
    shift, highs = (2, [0]) if phase == 0 else (4, list(_any(bits, 4)))
    kept: dict[int, set[int]] = {}
    for byte in values:
        low = byte & ((1 << shift) - 1)
        kept.setdefault(low, set()).update((high << 4 if phase else 0) | byte >> shift for high in highs)
    return [(digit_class(digits), phase + 1, low) for low, digits in kept.items()]


def raw_class(values: Collection[int]) -> str:
    """Any of some bytes."""
    if len(values) > 128:
        return '[^"]'
    texts = [literal(byte) for byte in sorted(values)]
    return texts[0] if len(texts) == 1 else f"[{''.join(texts)}]"


def bytes_in_q(values: Collection[int]) -> str:
    """Any of some bytes in the Q encoding."""
    return f"(?:={HEX}{{2}}|[^?=])" if len(values) > 128 else _coded(values, "=", b"=?_\x20")


def bytes_in_percent(values: Collection[int]) -> str:
    """Any of some bytes in the percent encoding of RFC 2231."""
    return rf"(?:%{HEX}{{2}}|[^%;\x22])" if len(values) > 128 else _coded(values, "%", b'%;"\x20')


def _coded(values: Collection[int], mark: str, special: bytes) -> str:
    codes: dict[str, set[str]] = {}
    for byte in sorted(values):
        first, second = (f"{byte:02X}"[place] for place in (0, 1))
        codes.setdefault(second, set()).add(first)
    ways = []
    plain = [byte for byte in values if byte not in special]
    if plain:
        ways.append(raw_class(plain))
    if mark == "=" and 0x20 in values:
        ways.append(r"[_\x20]")
    for second, firsts in codes.items():
        digits = [_hex_digits(firsts), _hex_digits({second})]
        ways.append(mark + "".join(digits))
    return ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"


def _hex_digits(digits: Collection[str]) -> str:
    both = sorted({case for digit in digits for case in (digit, digit.lower())})
    return both[0] if len(both) == 1 else f"[{''.join(both)}]"
