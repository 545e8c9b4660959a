#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postfix_policy
author: Postern contributors (@postern)
short_description: Read the access policy of a running Postfix, and change nothing
version_added: 0.1.0
description:
  - Reads main.cf and master.cf of a Postfix, whoever wrote them, and the tables that its restriction lists, networks,
    domain lists and recipient maps name. It writes nothing and starts nothing but C(postconf) and C(postmap -s), which
    only read.
  - The playbooks C(postern.mail.audit) and C(postern.mail.explain) judge what it returns on the controller.
options:
  config_directory:
    description:
      - Directory of main.cf.
      - Without it the one of the host's C(postconf), and those of all other instances that its
        C(multi_instance_directories) names.
    type: path
  max_table_size:
    description: Tables larger than this many KiB are left out, and named in the result.
    type: int
    default: 2048
requirements:
  - Postfix 3.4 or newer on the host.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
notes:
  - It needs to read what Postfix reads, so usually C(become).
  - Files with passwords or private keys are never read. Of tables of recipients, and of Unix users, only the names are
    taken. A password that stands in main.cf or master.cf itself is replaced.
  - Databases (MySQL, LDAP and the like) are not asked.
seealso:
  - name: postconf(5)
    description: Parameters of Postfix.
    link: https://www.postfix.org/postconf.5.html
"""

EXAMPLES = r"""
- name: Read the access policy of a Postfix
  postern.mail.postfix_policy:
  register: policy

- name: Read that of another configuration
  postern.mail.postfix_policy:
    config_directory: /etc/postfix-out
  register: policy
"""

RETURN = r"""
instances:
  description: One entry for each configuration; the first is the one of the host's C(postconf), or O(config_directory).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the instance, empty for the first.
      type: str
      returned: always
    config_directory:
      description: Directory of main.cf.
      type: str
      returned: always
    version:
      description: Version of Postfix.
      type: str
      returned: always
      sample: 3.10.5
    main_cf:
      description: Text of main.cf, without passwords.
      type: str
      returned: always
    master_cf:
      description: Text of master.cf, without passwords; empty when there is none.
      type: str
      returned: always
    computed:
      description: Parameters whose default depends on the host or on how Postfix was built, with their value there.
      type: dict
      returned: always
    table_types:
      description: Types of tables that this Postfix has.
      type: list
      elements: str
      returned: always
    tables:
      description:
        - Content of each table that could be read, by its name in the configuration. Text for those that Postfix
          reads as text, keys and results for those that it reads compiled.
      type: dict
      returned: always
    references:
      description: What was found out about each table that the policy names, also where it could not be read.
      type: list
      elements: dict
      returned: always
      contains:
        table:
          description: Its name, as in the configuration.
          type: str
          returned: always
        unread:
          description: Why it was not read; empty when it was.
          type: str
          returned: always
        missing:
          description: File that Postfix would open and that is not there; empty otherwise.
          type: str
          returned: always
        stale:
          description: Whether the source was changed after it was compiled.
          type: bool
          returned: always
platform:
  description: Name of the operating system.
  returned: success
  type: str
  sample: Debian GNU/Linux 13 (trixie)
hostname:
  description: Name of the host, as it calls itself.
  returned: success
  type: str
"""

import os
import pwd
import socket
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.postern.mail.plugins.module_utils import _postfix_read as read

# Defaults that no table of ours can know.
_COMPUTED = ("myhostname", "mydomain", "mynetworks", "default_database_type", "compatibility_level", "mail_owner")
_PLACES = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/opt/postfix/sbin"]


class Host:
    """The host's Postfix programs."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.postconf = module.get_bin_path("postconf", opt_dirs=_PLACES)
        self.postmap = module.get_bin_path("postmap", opt_dirs=_PLACES)
        if not self.postconf:
            module.fail_json(
                msg="There is no Postfix on this host: postconf was not found in PATH or in {}. "
                "Leave the host out with --limit, or install Postfix.".format(", ".join(_PLACES))
            )

    def run(self, *command: str) -> tuple[int, str, str]:
        status, out, words = self.module.run_command(list(command), environ_update={"LC_ALL": "C"})
        return status, out, words

    def settings(self, directory: str, *arguments: str) -> dict[str, str]:
        """What postconf prints; empty when it cannot read the configuration."""
        status, out, _words = self.run(self.postconf, "-c", directory, *arguments)
        return read.parameters(out) if status == 0 else {}


def read_instance(host: Host, directory: str, limit: int) -> dict[str, Any]:
    path = os.path.join(directory, "main.cf")
    try:
        main_cf = read.read_text(path, 1 << 20, set())
    except read.Unreadable as error:
        host.module.fail_json(msg=f"Cannot read {path}: {error}.{_advice(str(error))}")
    try:
        master_cf = read.read_text(os.path.join(directory, "master.cf"), 1 << 20, set())
    except read.Unreadable:
        master_cf = ""
    given = read.parameters(main_cf)
    defaults = host.settings(directory, "-d")
    computed = host.settings(directory, *_COMPUTED)
    known = dict(defaults, **computed)
    known.update(given)
    known["config_directory"] = directory
    services = read.overrides(master_cf)
    secrets = read.secret_paths(known, services)
    tables, found = {}, []
    for name, reference in sorted(read.references(known, services).items()):
        content, facts = read_table(host, reference, limit, secrets)
        found.append(dict(facts, table=name))
        if content is not None:
            tables[name] = content
    return {
        "name": given.get("multi_instance_name", ""),
        "config_directory": directory,
        "version": defaults.get("mail_version", ""),
        "main_cf": read.hide_secrets(main_cf),
        "master_cf": read.hide_master_secrets(master_cf),
        "computed": computed,
        "table_types": host.run(host.postconf, "-c", directory, "-m")[1].split(),
        "tables": tables,
        "references": found,
    }


def _advice(reason: str) -> str:
    return " Use become: true, it needs root's rights." if reason == "permission denied" else ""


def read_table(host: Host, reference: read.Reference, limit: int, secrets: set[str]) -> tuple[Any, dict[str, Any]]:
    """Its content, None when that cannot be had, and what else is known of it."""
    facts = {"unread": "", "missing": "", "stale": False}
    if reference.kind == "nis" and not read.has_nis():
        return {}, facts
    if reference.kind in read.DATABASES:
        return None, dict(facts, unread="a database, which only Postfix asks")
    if reference.kind == "unix":
        people = sorted(pwd.getpwall(), key=lambda entry: (not 1000 <= entry.pw_uid < 60000, entry.pw_uid))
        return {entry.pw_name: "x" for entry in people}, facts
    try:
        if reference.kind in read.INDEXED:
            return read_indexed(host, reference, limit, secrets, facts), facts
        text = read.read_text(reference.path, limit, secrets)
    except read.Unreadable as error:
        missing = reference.path if read.modified(reference.path) is None else ""
        return None, dict(facts, unread=str(error), missing=facts["missing"] or missing)
    return text, facts


def read_indexed(
    host: Host, reference: read.Reference, limit: int, secrets: set[str], facts: dict[str, Any]
) -> dict[str, str] | None:
    """What is compiled, for that is what Postfix sees. Raises Unreadable; ``facts`` then knows more."""
    index = reference.path + read.INDEXED[reference.kind]
    compiled, source = read.modified(index), read.modified(reference.path)
    if compiled is None:
        facts["missing"] = index
        raise read.Unreadable(f"it was never compiled: there is no {index}")
    if {reference.path, index} & secrets:
        raise read.Unreadable("it holds passwords or keys")
    if os.stat(index).st_size > limit * 8:  # compiled tables are mostly air
        raise read.Unreadable(f"larger than {limit * 8 // 1024} KiB")
    facts["stale"] = source is not None and source > compiled
    status, out, words = 1, "", "postmap was not found"
    if host.postmap:
        status, out, words = host.run(host.postmap, "-s", f"{reference.kind}:{reference.path}")
    if status == 0:
        return read.entries(out, reference.names_only)
    if source is None or facts["stale"]:
        raise read.Unreadable(words.strip().split("\n")[-1])
    return read.entries(read.read_text(reference.path, limit, secrets), reference.names_only)


def main() -> None:
    module = AnsibleModule(
        argument_spec={"config_directory": {"type": "path"}, "max_table_size": {"type": "int", "default": 2048}},
        supports_check_mode=True,
    )
    host = Host(module)
    directories = [module.params["config_directory"]]
    if not directories[0]:
        status, out, words = host.run(host.postconf, "-h", "config_directory")
        if status != 0:
            module.fail_json(msg=f"postconf does not tell where the configuration is: {words.strip()}")
        directories = [out.strip()]
        others = host.settings(directories[0], "multi_instance_directories").get("multi_instance_directories", "")
        directories += others.replace(",", " ").split()
    limit = module.params["max_table_size"] * 1024
    module.exit_json(
        changed=False,
        instances=[read_instance(host, directory, limit) for directory in directories],
        platform=platform_name(),
        hostname=socket.gethostname(),
    )


def platform_name() -> str:
    try:
        text = read.read_text("/etc/os-release", 65536, set())
    except read.Unreadable:
        return os.uname().sysname
    return read.parameters(text).get("PRETTY_NAME", "").strip("\"'")


if __name__ == "__main__":
    main()
