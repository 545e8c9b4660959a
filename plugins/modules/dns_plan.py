#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_plan
author: Postern contributors (@postern)
short_description: Say what a dynamic update has to change
version_added: 0.1.0
description:
  - Asks the primary server what it has and compares. Nothing is changed. It runs on the controller.
  - Of a TXT set only values of the same kind are to be replaced (C(v=spf1), C(v=DMARC1), C(v=TLSRPTv1), C(v=STSv1));
    everything at the name of a DKIM key. What belongs to others is in the new set as well, since an update replaces
    sets whole.
requirements: [dnspython]
extends_documentation_fragment: [postern.mail.dns_records]
options:
  zones:
    description: Zones that may be updated; empty, the server is asked which zone each name is in.
    type: list
    elements: str
    default: []
  server:
    description: Address or name of the primary server.
    type: str
    required: true
  port:
    description: Its TCP port.
    type: int
    default: 53
  tsig_name:
    description: Name of the key.
    type: str
    required: true
  tsig_secret:
    description: The key in Base64.
    type: str
    required: true
  tsig_algorithm:
    description: Algorithm of the key.
    type: str
    choices: [hmac-sha256, hmac-sha384, hmac-sha512]
    default: hmac-sha256
  proof:
    description: Fail when anything is left to change.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Compare the records with what the primary server has
  postern.mail.dns_plan:
    records: "{{ dns_records }}"
    server: 192.0.2.53
    tsig_name: postern.example.org
    tsig_secret: "{{ vault_tsig }}"
  register: __dns_plan
"""

RETURN = r"""
address:
  description: Address of the primary server.
  returned: without O(proof)
  type: str
changes:
  description: >-
    Sets of records to replace, each with C(zone), C(name), C(type), C(ttl) and C(value), all values of the new set.
  returned: without O(proof)
  type: list
  elements: dict
outside:
  description: Name and type of sets that are in no zone that may be updated.
  returned: without O(proof)
  type: list
  elements: str
"""
