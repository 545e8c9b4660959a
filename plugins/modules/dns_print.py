#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_print
author: Postern contributors (@postern)
short_description: Write DNS records for whoever keeps the zone
version_added: 0.1.0
description:
  - Shows records on the terminal as fragments of zone files, and writes them on the controller.
extends_documentation_fragment: [postern.mail.dns_records]
options:
  zones:
    description: Zones to sort the records into; a record in none of them goes to the domain that it is about.
    type: list
    elements: str
    default: []
  directory:
    description: Where to write them on the controller.
    type: path
    default: dns
  formats:
    description: V(zone) for C(<zone>.zone), V(json) for C(records.json), V(octodns) for C(octodns/<zone>.yaml).
    type: list
    elements: str
    choices: [zone, json, octodns]
    default: [zone, json, octodns]
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Show the records
  postern.mail.dns_print:
    records: "{{ dns_records }}"
"""

RETURN = r"""
records:
  description: The records in canonical form.
  returned: success
  type: list
  elements: dict
files:
  description: What was written, or would be.
  returned: success
  type: list
  elements: str
"""
