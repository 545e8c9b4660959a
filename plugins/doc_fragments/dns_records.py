# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all modules that are given DNS records have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The records, as a list."""

    DOCUMENTATION = r"""
options:
  records:
    description: Records with C(name), C(type), C(value) and C(ttl), as P(postern.mail.dns_records#filter) makes them.
    type: list
    elements: dict
    required: true
  ttl:
    description: Seconds, for records without C(ttl).
    type: int
    default: 3600
"""
