# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and defaults of parameters."""

from __future__ import annotations

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data import parameters
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.parameters_smtpd import LOADED
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import master_cf

SERVICES = master_cf.parse("dovecot unix - n n - - pipe argv=x\n")


@pytest.mark.parametrize(
    ("name", "version", "known"),
    [
        ("smtpd_recipient_restrictions", None, True),
        ("smtpd_recipient_restriction", None, False),
        ("postscreen_blacklist_action", None, True),
        ("virtual_maps", None, True),
        ("requiretls_enable", None, True),
        ("requiretls_enable", (3, 10), False),
        ("requiretls_enable", (3, 11), True),
        ("smtpd_client_ipv4_prefix_length", (3, 7), False),
        ("myhostname", (3, 4), True),
        ("dovecot_destination_recipient_limit", None, True),
        ("cyrus_destination_recipient_limit", None, False),
        ("smtp_destination_rate_delay", (3, 7), True),
    ],
)
def test_names(name: str, version: tuple[int, int] | None, known: bool) -> None:
    assert parameters.is_known(name, SERVICES, version) is known


@pytest.mark.parametrize(
    ("name", "version", "text"),
    [
        ("relay_domains", (3, 7), "${{$compatibility_level} <level {2} ? {$mydestination} : {}}"),
        ("address_verify_map", (3, 10), "btree:$data_directory/verify_cache"),
        ("address_verify_map", (3, 11), "$default_cache_db_type:$data_directory/verify_cache"),
        ("smtpd_forbid_unauth_pipelining", (3, 8), "no"),
        ("smtpd_forbid_unauth_pipelining", (3, 9), "yes"),
        ("tls_legacy_public_key_fingerprints", (3, 11), None),
        ("no_such_parameter", (3, 10), None),
    ],
)
def test_defaults(name: str, version: tuple[int, int], text: str | None) -> None:
    assert parameters.default(name, version) == text


def test_number_of_parameters_grows_with_the_releases() -> None:
    counts = [len(parameters.defaults((3, minor))) for minor in (4, 7, 10, 11)]
    assert counts == sorted(counts) and counts[0] > 800


def test_what_smtpd_reads_has_a_default() -> None:
    assert {name for name in LOADED if parameters.default(name, (3, 11)) is None} == set()


@pytest.mark.parametrize(
    ("text", "unit", "seconds"),
    [("10", "s", 10), ("10", "m", 600), ("2h", "s", 7200), ("1d", "s", 86400), ("1w", "s", 604800)],
)
def test_seconds(text: str, unit: str, seconds: int) -> None:
    assert parameters.seconds("x", text, unit) == seconds
