#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_check
author: Postern contributors (@postern)
short_description: Compare DNS records with what the world sees
version_added: 0.1.0
description:
  - Asks resolvers and every authoritative server for each record, and shows what differs. It runs on the controller
    and changes nothing.
  - With O(servers) it also looks at what receivers look at. Reverse names of the servers (HELO, PTR and address must
    agree), hosts of MX records, SPF as it is evaluated (lookups, void lookups, whether it allows the servers), DMARC
    reports that a foreign domain did not ask for, and name servers that do not agree.
  - All that is wrong is told at once. Errors fail the task, warnings do not.
requirements: [dnspython]
extends_documentation_fragment: [postern.mail.dns_records]
options:
  servers:
    description: Servers as M(postern.mail.dns_server) describes them.
    type: list
    elements: dict
    default: []
  resolvers:
    description: Addresses of resolvers; empty means those of the controller.
    type: list
    elements: str
    default: []
  nameservers:
    description: Ask each authoritative server as well.
    type: bool
    default: true
  wait:
    description:
      - Seconds to wait until no error is left.
      - Authoritative servers are asked first, and resolvers once those agree, because a resolver remembers that it
        found nothing.
    type: int
    default: 0
  directory:
    description: Where to write C(check.json) on the controller.
    type: path
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
"""

EXAMPLES = r"""
- name: Wait until every authoritative server has the new key
  postern.mail.dns_check:
    records:
      - {name: s2027._domainkey.example.org, type: TXT, value: "v=DKIM1; k=rsa; p=MIIB..."}
    wait: 600
"""

RETURN = r"""
summary:
  description: How many errors and warnings there are.
  returned: always
  type: str
asked:
  description: Everybody who was asked about records.
  returned: always
  type: list
  elements: str
findings:
  description: What is wrong.
  returned: always
  type: list
  elements: dict
  contains:
    severity:
      description: V(error) or V(warning).
      type: str
      returned: always
    code:
      description: Name of the kind of finding.
      type: str
      returned: always
    subject:
      description: Name and type of a record, a host or an address.
      type: str
      returned: always
    reason:
      description: Why it is wrong.
      type: str
      returned: always
    fix:
      description: What to do.
      type: str
      returned: always
    there:
      description: Values that are there and should not be.
      type: list
      elements: str
      returned: always
    wanted:
      description: Values that should be there.
      type: list
      elements: str
      returned: always
    seen_by:
      description: Who answered so.
      type: list
      elements: str
      returned: always
"""
