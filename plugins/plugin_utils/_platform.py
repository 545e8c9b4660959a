# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which row of a platform table is this host's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class UnknownPlatformError(ValueError):
    """No row of the table is for this platform."""


def platform_keys(facts: Mapping[str, Any]) -> list[str]:
    """Keys of the rows that apply, widest first: family, distribution, distribution-major.

    Debian's testing has no version number in its os-release; its key is ``Debian-testing``.
    """
    family = str(facts["os_family"])
    distribution = str(facts["distribution"])
    major = str(facts["distribution_major_version"])
    release = major if major.isdigit() else "testing"
    return list(dict.fromkeys([family, distribution, f"{distribution}-{release}"]))


def select(table: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the rows that apply to the host, the narrower over the wider.

    :param table: row by platform key; a row maps a name to any value
    :param facts: ``ansible_facts`` with os_family, distribution and distribution_major_version
    :raises UnknownPlatformError: no row applies, or facts were not gathered
    """
    try:
        keys = platform_keys(facts)
    except KeyError as missing:
        raise UnknownPlatformError(
            f"the fact {missing.args[0]!r} is missing: gather facts first (gather_facts: true, or the setup module)"
        ) from None
    rows = [table[key] for key in keys if key in table]
    if not rows:
        known = ", ".join(sorted(table))
        raise UnknownPlatformError(f"no entry for {' or '.join(reversed(keys))}; there is one for {known}")
    return {name: value for row in rows for name, value in row.items()}
