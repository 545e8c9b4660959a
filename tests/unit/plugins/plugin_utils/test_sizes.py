from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        (0, 0),
        ("1024", 1024),
        (52428800, 52428800),
        ("1K", 1024),
        ("50M", 52428800),
        ("2g", 2**31),
        ("3T", 3 * 2**40),
    ],
)
def test_a_size_is_a_number_and_a_unit_of_1024(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("5GB", "5G"),
        ("5GiB", "5G"),
        ("5 G", "5G"),
        ("500 MB", "500M"),
        ("1.5G", "1G"),
        ("100bytes", "100M"),
        ("unlimited", "2G"),
        ("-1", "2G"),
        ("", "2G"),
        ("٣G", "2G"),  # a digit to Unicode, not to a mail server
        (True, "2G"),
    ],
)
def test_what_is_no_size_says_what_to_write(text: str | int, suggestion: str) -> None:
    with pytest.raises(ValueError, match=rf"such as: {suggestion}$"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0"), (65536, "64K"), (52428800, "50M"), (2**31, "2G"), (2**40, "1T"), (1000, "1000")]
)
def test_a_size_is_printed_in_its_shortest_exact_form(size: int, text: str) -> None:
    assert format_size(size) == text
    assert parse_size(text) == size
