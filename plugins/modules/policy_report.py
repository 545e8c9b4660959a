#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: policy_report
author: Postern contributors (@postern)
short_description: Judge the access policy of a Postfix and write the report
version_added: 0.1.0
description:
  - With O(policy) it looks for mistakes in what M(postern.mail.postfix_policy) has read on a host, tries typical
    visitors on it in a simulation, and writes the reports of the host. It never fails because of what it finds.
  - With O(report) it prints what was found on all hosts, the worst first, and fails by O(fail_on).
  - It runs on the controller and opens no connection.
options:
  policy:
    description: Result of M(postern.mail.postfix_policy).
    type: dict
  accept:
    description: Findings that are known and wanted, each with the reason. They are shown apart and fail nothing.
    type: list
    elements: dict
    default: []
    suboptions:
      code:
        description: Code of the finding.
        type: str
        required: true
      element:
        description: Element of the finding as written, or its parameter where it is about the whole of it.
        type: str
        required: true
      reason:
        description: Why it is wanted.
        type: str
        required: true
  directory:
    description: Directory for the reports, on the controller; relative to where Ansible was started.
    type: path
    default: audit
  formats:
    description: Which reports to write.
    type: list
    elements: str
    choices: [html, json, sarif]
    default: [html, json, sarif]
  report:
    description: The results of this module for all hosts.
    type: list
    elements: dict
  fail_on:
    description:
      - Fail when there is a finding of this severity or a worse one.
      - The default draws the line where the validation of C(postern.mail.site) draws it, at what costs mail.
    type: str
    choices: [relay, lost, deferred, idle, style, never]
    default: deferred
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: Reports are written in check mode too. They are on the controller, and change nothing.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
seealso:
  - module: postern.mail.postfix_policy
"""

EXAMPLES = r"""
- name: Judge it
  postern.mail.policy_report:
    policy: "{{ policy }}"
    accept:
      - code: auth-on-port-25
        element: smtpd_sasl_auth_enable
        reason: The old scanner knows no other port.
  register: audit

- name: Show what was found
  postern.mail.policy_report:
    report: "{{ ansible_play_hosts_all | map('extract', hostvars, 'audit') | select('defined') }}"
    fail_on: relay
  run_once: true
"""

RETURN = r"""
hosts:
  description: What was found, one entry for each Postfix instance of the host.
  returned: with O(policy)
  type: list
  elements: dict
  contains:
    host:
      description: Inventory name of the host, and the name of the instance.
      type: str
      returned: always
    counts:
      description: Number of findings by severity.
      type: dict
      returned: always
    lines:
      description: The findings as they are printed.
      type: list
      elements: str
      returned: always
    files:
      description: The reports.
      type: list
      elements: str
      returned: always
findings:
  description: All findings of the host, as in its JSON report.
  returned: with O(policy)
  type: list
  elements: dict
"""
