from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._platform import UnknownPlatformError, select

TABLE = {
    "Debian": {"service": "postfix", "modern": True},
    "Debian-12": {"service": "postfix@-", "modern": False},
    "Debian-testing": {"chroot": False},
}


def facts(major: str, distribution: str = "Debian", family: str = "Debian") -> dict[str, str]:
    return {"os_family": family, "distribution": distribution, "distribution_major_version": major}


@pytest.mark.parametrize(
    ("host", "row"),
    [
        pytest.param(facts("12"), {"service": "postfix@-", "modern": False}, id="the release wins over the family"),
        pytest.param(facts("13"), {"service": "postfix", "modern": True}, id="a release without a row is its family's"),
        pytest.param(
            facts("forky/sid"), {"service": "postfix", "modern": True, "chroot": False}, id="testing has no number"
        ),
        pytest.param(facts("24", "Ubuntu"), {"service": "postfix", "modern": True}, id="a relative is its family's"),
    ],
)
def test_rows_merge_from_wide_to_narrow(host: dict[str, str], row: dict[str, object]) -> None:
    assert select(TABLE, host) == row


def test_an_unknown_platform_is_named_with_the_known_ones() -> None:
    complaint = "no entry for Fedora-41 or Fedora or RedHat; there is one for Debian"
    with pytest.raises(UnknownPlatformError, match=complaint):
        select(TABLE, facts("41", "Fedora", "RedHat"))


def test_facts_that_were_not_gathered_are_an_error_that_says_so() -> None:
    with pytest.raises(UnknownPlatformError, match="'os_family' is missing: gather facts first"):
        select(TABLE, {})
