#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: validate
author: Postern contributors (@postern)
short_description: Check all inputs of a mail server before anything is touched
version_added: 0.1.0
description:
  - Without O(report) it checks the variables of one host, and never fails because of them.
  - It holds them against the argument specifications of the role C(mail) and of each role in C(mail_features), looks
    for misspelt names, and applies the rules between variables.
  - It judges the access policy that the role C(postfix) would write (C(main.cf), C(master.cf) and tables, merged from
    all roles), as P(postern.mail.policy_findings#filter) does. What would relay for strangers, lose or delay mail is a
    mistake, the rest is a warning.
  - With O(report) it prints what was found on all hosts, the worst first, and fails when there is more than warnings.
  - It runs on the controller and opens no connection.
options:
  report:
    description: The results of this module for all hosts.
    type: list
    elements: dict
  judged_as:
    description:
      - What RV(judged_as) said before facts were gathered.
      - Only the access policy of Postfix is checked again then, and only where the host is another platform than that.
    type: str
    version_added: 0.1.0
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
notes:
  - Facts need not be gathered. What only a platform decides is then checked as on Debian 13, and on the other platforms
    too where something is wrong there or C(mail_validate_only) is set; a value of yours that depends on a fact is a
    warning.
  - No password and no hash is ever shown.
"""

EXAMPLES = r"""
- name: Prove all inputs of all hosts before anything is touched
  postern.mail.validate:
  register: __mail_validation

- name: Report every mistake at once
  postern.mail.validate:
    report: "{{ ansible_play_hosts_all | map('extract', hostvars, '__mail_validation') | select('defined') }}"
  run_once: true
"""

RETURN = r"""
mistakes:
  description: What is wrong on this host.
  returned: without O(report)
  type: list
  elements: dict
  contains:
    rule:
      description: Name of the rule, as in the guide.
      type: str
      returned: always
    host:
      description: Inventory name of the host.
      type: str
      returned: always
    variable:
      description: The variable.
      type: str
      returned: always
    element:
      description: Where inside the variable.
      type: str
      returned: always
      sample: "[2].address"
    value:
      description: What was found there, empty where it is secret.
      type: str
      returned: always
    reason:
      description: Why it is wrong.
      type: str
      returned: always
    consequence:
      description: What would happen to mail, where that is not the reason itself.
      type: str
      returned: always
    fix:
      description: What to write instead.
      type: str
      returned: always
    source:
      description: File and line that it was read from; empty where that is not known, and before ansible-core 2.19.
      type: str
      returned: always
    severity:
      description: V(error) or V(warning).
      type: str
      returned: always
host:
  description: Inventory name of the host.
  returned: without O(report)
  type: str
judged_as:
  description: Platform that the access policy was judged as; empty where it could not be told for sure.
  returned: without O(report)
  type: str
  sample: Debian 13
hostname:
  description: The name the server gives itself.
  returned: without O(report)
  type: str
"""
