#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Host side of config_tree."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: config_tree
short_description: Bring a configuration directory to its new state as a whole, or leave it as it was
version_added: 0.1.0
description:
  - Renders templates on the controller, compares them with the directory O(dest), and does nothing when none differs.
  - Otherwise it makes a complete copy of O(dest) beside it, changes the copy, compiles tables and runs the O(check)
    commands on it, exchanges both directories in one step of the kernel, runs O(apply) and then O(probe).
  - When a command fails, the former directory is put back and O(restore) or else O(apply) is run; the error carries the
    command, its exit status and its output.
  - A run that was killed, at whatever point, leaves either the former or the new directory in place. The next run
    removes its leftovers; when the new directory was in place but not yet proved by O(probe), it applies and probes
    it again, and can still go back.
  - Files in O(dest) that the task does not name are kept as they are, symbolic links too.
author:
  - Postern contributors (@postern)
options:
  dest:
    description:
      - The directory that holds one configuration, as an absolute path. It is exchanged whole, so it must not be a
        mount point or hold one, and it must hold nothing but configuration (no sockets, pipes or devices).
      - When it does not exist it is created; its parent must exist.
      - When it is a symbolic link, the directory it leads to is meant.
    type: path
    required: true
  files:
    description: The files that are managed. Name the one first that the daemon reads first; see the notes.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path of the file, relative to O(dest). Missing directories are created.
        type: str
        required: true
      template:
        description:
          - Template to render, found as M(ansible.builtin.template) finds its C(src).
          - Exactly one of O(files[].template) and O(files[].content) is needed.
        type: str
      content:
        description: Content of the file, written as it is.
        type: str
      owner:
        description: Owner, by name or number.
        type: str
        default: root
      group:
        description: Group, by name or number.
        type: str
        default: root
      mode:
        description:
          - Permissions, as a quoted octal string with a leading zero.
          - Without it V("0644"), or V("0600") for a file with O(files[].secret).
        type: str
      secret:
        description:
          - The content must not be seen. It is kept out of diffs, results, errors (also where a program quotes it) and
            logs, and a mode open to others is refused.
        type: bool
        default: false
  maps:
    description:
      - Lookup tables to compile in the staged tree, so that they go live together with their source.
      - A table is compiled when its source changes, when it is missing, and when it is older than its source. It gets
        the owner, group and mode of its source.
    type: list
    elements: dict
    default: []
    suboptions:
      source:
        description: Path of the source, relative to O(dest), from O(files) or already there.
        type: str
        required: true
      type:
        description: Table type; one of V(lmdb), V(cdb), V(hash), V(btree).
        type: str
        required: true
      command:
        description: Program that compiles it. V(postalias) is for the format of aliases(5).
        type: str
        choices: [postmap, postalias]
        default: postmap
  absent:
    description: Files and directories to remove, as paths relative to O(dest).
    type: list
    elements: str
    default: []
  mask:
    description:
      - Texts that must not be seen although the files they stand in may be, such as a key inside a parameter. They are
        replaced in diffs, results and errors.
    type: list
    elements: str
    default: []
  check:
    description:
      - Commands that judge the staged tree, before anything is live. They run in it, in this order.
      - A command is a string, split like a shell would but run without one, or a list of words, or a dictionary with
        the key C(command) and optionally C(silent). With C(silent) set to V(true), anything written to standard error
        is a failure too, whatever the exit status; postconf(1) for one warns of unknown parameters and exits 0.
      - V({tree}) stands for the staged tree; in O(apply), O(restore) and O(probe), for O(dest).
        Quote it inside YAML braces.
      - Not run in check mode, which writes nothing and so stages nothing.
    type: list
    elements: raw
    default: []
  apply:
    description: Commands that make the daemon use the new configuration, after it is in place.
    type: list
    elements: raw
    default: []
  restore:
    description:
      - Commands that make the daemon use the former configuration after it was put back. Without any, O(apply) is used.
      - Postfix needs a restart here. Its master(8) holds back a service that could not start, for 60 seconds unless
        C(service_throttle_time) says otherwise, and a reload does not end that.
    type: list
    elements: raw
    default: []
  probe:
    description: Commands that must succeed after O(apply). Each is repeated until it does or O(probe_timeout) is over.
    type: list
    elements: raw
    default: []
  directory_mode:
    description: Permissions of directories that are created, O(dest) included. They belong to who runs the module.
    type: str
    default: "0755"
  command_timeout:
    description: Seconds after which a command is killed and counts as failed.
    type: int
    default: 120
  probe_timeout:
    description: Seconds for which each O(probe) command is repeated.
    type: int
    default: 15
  lock_timeout:
    description: Seconds to wait for another run on the same O(dest).
    type: int
    default: 60
attributes:
  check_mode:
    description: Predicts exactly the paths that a run would change, and a pending repair; writes nothing.
    support: full
  diff_mode:
    description: Shows content and attributes, secrets excepted.
    support: full
  platform:
    description: Linux with renameat2(2) and Python 3.11 or newer.
    support: full
    platforms: linux
notes:
  - In a container whose image already holds O(dest), the kernel refuses to exchange it (overlayfs, lower layer). Then,
    once, the directory is removed and the new one renamed into its place. The first of O(files) is removed first, so
    that a daemon that starts in between finds no configuration rather than half of one; a run killed there is finished
    by the next.
seealso:
  - module: ansible.builtin.template
"""

EXAMPLES = r"""
- name: Write the Postfix configuration
  postern.mail.config_tree:
    dest: /etc/postfix
    files:
      - {path: main.cf, template: main.cf.j2}
      - {path: master.cf, template: master.cf.j2}
      - {path: virtual_alias, content: "postmaster@example.org admin@example.org\n"}
    maps:
      - {source: virtual_alias, type: lmdb}
    check:
      - postfix -c {tree} check
      - {command: "postconf -c {tree}", silent: true}
    apply:
      - systemctl reload-or-restart postfix
    restore:
      - systemctl restart postfix
    probe:
      - [postmap, -q, postmaster@example.org, "lmdb:{tree}/virtual_alias"]

- name: Write the Dovecot password file
  postern.mail.config_tree:
    dest: /etc/dovecot/private
    directory_mode: "0750"
    files:
      - {path: users, content: "{{ users }}", group: dovecot, mode: "0640", secret: true}
"""

RETURN = r"""
files:
  description: Every path that changed, or in check mode would, relative to O(dest); compiled tables too.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Path relative to O(dest).
      type: str
    state:
      description: One of V(created), V(changed), V(attributes) and V(removed).
      type: str
  sample: [{path: main.cf, state: changed}, {path: old.cf, state: removed}]
repaired:
  description: An earlier run had been killed, or had failed, before its configuration was proved; that was made good.
  returned: success
  type: bool
rolled_back:
  description: A configuration that was not proved had been in place, and the former one is back.
  returned: always
  type: bool
errors:
  description: Every mistake of the task that could be found on this host; nothing was touched.
  returned: when the input is wrong
  type: list
  elements: str
stage:
  description: Which command failed, one of V(map), V(check), V(apply) and V(probe).
  returned: when a command failed
  type: str
command:
  description: The failed command, as it was run.
  returned: when a command failed
  type: str
rc:
  description: Its exit status; 124 after a timeout, 127 for a missing program, negative for a signal.
  returned: when a command failed
  type: int
stdout:
  description: What it wrote to standard output, secrets masked.
  returned: when a command failed
  type: str
stderr:
  description: What it wrote to standard error, secrets masked.
  returned: when a command failed
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.postern.mail.plugins.module_utils._tree import Tree, TreeFailure
from ansible_collections.postern.mail.plugins.module_utils._tree_input import (
    ARGUMENT_SPEC,
    InputErrors,
    parse,
)


class ConfigTreeModule(AnsibleModule):
    """An AnsibleModule that does not write its parameters to the host's log: they hold the content of secret files."""

    def _log_invocation(self) -> None:
        """Log that the module ran, and nothing else."""
        self.log("Invoked")


def main() -> None:
    """Run the module."""
    module = ConfigTreeModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    # Without an invocation of its own AnsibleModule would add all parameters to the result.
    common: dict[str, Any] = {"invocation": {}}
    try:
        result = Tree(parse(module.params), check_mode=module.check_mode).run(diff=module._diff)
    except InputErrors as wrong:
        told = "\n".join([f"config_tree, mistakes in the task: {len(wrong.errors)}", *wrong.errors])
        module.fail_json(msg=told, errors=wrong.errors, rolled_back=False, **common)
    except TreeFailure as failure:
        outcome = failure.outcome
        if outcome is not None:
            common |= {"stage": failure.stage, "command": outcome.command, "rc": outcome.rc}
            common |= {"stdout": outcome.stdout, "stderr": outcome.stderr}
        module.fail_json(msg=failure.message, rolled_back=failure.rolled_back, **common)
    for note in result.notes:
        module.warn(note)
    if module._diff:
        common["diff"] = result.diff
    module.exit_json(changed=result.changed, files=result.files, repaired=result.repaired, rolled_back=False, **common)


if __name__ == "__main__":
    main()
