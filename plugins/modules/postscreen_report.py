#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postscreen_report
author: Postern contributors (@postern)
short_description: Say what postscreen would have done, had it been enforced
version_added: 0.1.0
description:
  - Takes what M(postern.mail.postscreen_log) has counted on the hosts and says, test by test, whether to enforce it,
    and which hosts to allow first because they send good mail.
  - It prints a summary and writes a page and JSON, for all hosts together, and for each where there are several.
  - It runs on the controller, opens no connection, and never fails because of what it finds.
options:
  logs:
    description: Results of M(postern.mail.postscreen_log).
    type: list
    elements: dict
    required: true
  hosts:
    description: Names of the hosts that should be among them; others are named as not read.
    type: list
    elements: str
    default: []
  allowed:
    description: Networks that are allowed already, as in C(postscreen_allow). Their hosts are not told of again.
    type: list
    elements: raw
    default: []
  minimum_days:
    description: With fewer days of connections than this nothing is advised but to wait.
    type: int
    default: 7
  minimum_hosts:
    description: With fewer clients than this nothing is advised but to wait.
    type: int
    default: 50
  directory:
    description: Directory for the reports, on the controller; relative to where Ansible was started.
    type: path
    default: postscreen_report
  formats:
    description: Which reports to write.
    type: list
    elements: str
    choices: [html, json]
    default: [html, json]
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: Reports are written in check mode too. They are on the controller, and change nothing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
seealso:
  - module: postern.mail.postscreen_log
"""

EXAMPLES = r"""
- name: Say what enforcing would have done
  postern.mail.postscreen_report:
    logs: "{{ ansible_play_hosts_all | map('extract', hostvars, 'postscreen_log') | select('defined') }}"
    allowed: "{{ postscreen_allow | default([]) }}"
  run_once: true
"""

RETURN = r"""
report:
  description: The report on all hosts together, as in its JSON file.
  returned: success
  type: dict
  contains:
    advice:
      description: The most urgent advice of all tests.
      type: str
      returned: always
      sample: allow_first
    tests:
      description: Advice, reason and numbers for each test.
      type: list
      elements: dict
      returned: always
    good_hosts:
      description: Hosts that enforcing would have stopped although something speaks for them.
      type: list
      elements: dict
      returned: always
    inventory:
      description: Values of C(postscreen_allow) and C(postscreen_stage) that follow from it.
      type: dict
      returned: always
files:
  description: The reports.
  returned: success
  type: list
  elements: str
"""
