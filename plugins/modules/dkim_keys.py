#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dkim_keys
author: Postern contributors (@postern)
short_description: Keep the DKIM keys of a server, and which of them signs
version_added: 0.1.0
description:
  - Makes, stores, rotates and revokes the DKIM keys of the domains that a server signs for.
  - The private keys and a list of all keys (C(state.json)) are in O(directory), one file for each domain and selector,
    so that two domains may use the same selector. Private keys never leave the host.
  - A key is C(pending) (made, to be published), C(active) (signs), C(retiring) (signs no more, its record stays) or
    C(revoked) (its private key is gone, its record has an empty C(p=)). Each O(action) takes the steps that are due and
    can be repeated at any time.
options:
  action:
    description:
      - V(read) changes nothing and tells what there is.
      - V(ensure) gives each of O(domains) an active key and takes those of O(given); keys that nobody wants any more
        retire.
      - V(begin) makes a pending key where the active one is older than O(rotate_after), or O(rotate_now).
      - V(switch) lets the pending keys in O(visible) sign; those that signed until then retire.
      - V(retire) revokes keys that have been retiring for O(keep) and forgets those that have been revoked for
        O(keep_revoked).
      - V(test) asks DNS for the record of each active key with C(opendkim-testkey) and warns of what it does not find.
    type: str
    choices: [read, ensure, begin, switch, retire, test]
    default: read
  directory:
    description: Where the keys are.
    type: path
    default: /etc/dkimkeys
  owner:
    description: User and group of the private keys, who are the only ones to read them.
    type: str
    default: opendkim
  domains:
    description: Domains that sign. Those without a key in O(given) have one made.
    type: list
    elements: str
    default: []
  given:
    description: Keys that are not made here.
    type: list
    elements: dict
    default: []
    suboptions:
      domain:
        description: The domain it signs for.
        type: str
        required: true
      selector:
        description: Its selector.
        type: str
        required: true
      private_key:
        description: The private key, as PEM text.
        type: str
        required: true
  prefix:
    description: What the selectors of keys made here begin with; the date follows.
    type: str
    default: dkim
  bits:
    description: Size of the RSA keys that are made.
    type: int
    choices: [2048, 3072, 4096]
    default: 2048
  rotate_after:
    description: Age at which V(begin) replaces a key, such as V(180d); V(0d) is never.
    type: str
    default: 180d
  rotate_now:
    description: V(begin) replaces keys of any age.
    type: bool
    default: false
  settle:
    description: With O(rotate_now), a domain whose keys were switched less than this ago is left alone.
    type: str
    default: 1h
  visible:
    description: Names of records that all name servers of their zone have, such as V(s1._domainkey.example.org).
    type: list
    elements: str
    default: []
  keep:
    description: How long the record of a key stays after it signed last.
    type: str
    default: 7d
  keep_revoked:
    description: How long a revoked key's record stays.
    type: str
    default: 30d
  config:
    description: Configuration file for C(opendkim-testkey).
    type: path
    default: /etc/opendkim/opendkim.conf
requirements:
  - The C(openssl) command on the host; C(opendkim-testkey) for O(action=test).
attributes:
  check_mode:
    description: Predicts the steps; keys that would be made have a selector and no record.
    support: full
  diff_mode:
    description: Shows which selectors change, never a private key.
    support: full
seealso:
  - name: RFC 6376
    description: DomainKeys Identified Mail (DKIM) Signatures
    link: https://www.rfc-editor.org/rfc/rfc6376
"""

EXAMPLES = r"""
- name: Make a key for each domain
  postern.mail.dkim_keys:
    action: ensure
    domains: [example.org, example.net]
    prefix: mx1-example-org
  register: keys

- name: Begin to replace keys that are half a year old
  postern.mail.dkim_keys:
    action: begin
    prefix: mx1-example-org
    rotate_after: 180d
"""

RETURN = r"""
keys:
  description: All keys, by domain and age.
  returned: success
  type: list
  elements: dict
  contains:
    domain:
      description: The domain it signs for.
      type: str
    selector:
      description: Its selector.
      type: str
    name:
      description: Name of its record.
      type: str
    status:
      description: One of C(pending), C(active), C(retiring) and C(revoked).
      type: str
    since:
      description: When it got this status, in seconds since 1970.
      type: int
    file:
      description: Its private key.
      type: str
signing:
  description: The active keys, as O(ignore:keys).
  returned: success
  type: list
  elements: dict
pending:
  description: The pending keys, as O(ignore:keys).
  returned: success
  type: list
  elements: dict
records:
  description: The DNS records that there should be, each with C(name), C(type) and C(value).
  returned: success
  type: list
  elements: dict
pending_records:
  description: Those of RV(records) whose keys are pending.
  returned: success
  type: list
  elements: dict
zone_lines:
  description: RV(records) as lines of a zone file, for those who publish by hand. Active keys come last.
  returned: success
  type: list
  elements: str
obsolete:
  description: Names of records that this run has no more use for.
  returned: success
  type: list
  elements: str
done:
  description: What was done, as sentences.
  returned: success
  type: list
  elements: str
awaited:
  description: What comes next and what it waits for, as sentences.
  returned: success
  type: list
  elements: str
unpublished:
  description: With O(action=test), the records that DNS does not have as they should be.
  returned: success
  type: list
  elements: str
"""

import base64
import contextlib
import fcntl
import grp
import json
import os
import pwd
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.postern.mail.plugins.module_utils import _dkim_state as state
from ansible_collections.postern.mail.plugins.module_utils._openssl import Problem, openssl

_SMALLEST = 2048


def describe(pem: bytes) -> tuple[str, int, str]:
    """(type, bits, content of p=) of a private key.

    :raises Problem: it is none, or none that may sign
    """
    public = openssl("pkey", "-pubout", "-outform", "DER", data=pem)
    text = openssl("pkey", "-noout", "-text_pub", data=pem).decode(errors="replace")
    found = re.search(r"Public-Key: \((\d+) bit\)", text)
    if "Modulus" not in text or not found:
        raise Problem("it is not an RSA key, and opendkim signs with one algorithm only")
    bits = int(found.group(1))
    if bits < _SMALLEST:
        raise Problem(f"it has {bits} bits; at least {_SMALLEST} are needed (RFC 8301 3.2)")
    return "rsa", bits, base64.b64encode(public).decode()


class Store:
    """The directory with the keys and the list of them."""

    def __init__(self, directory: str, owner: str, check_mode: bool) -> None:
        self.directory = directory
        self.owner = owner
        self.check_mode = check_mode
        self.list = os.path.join(directory, "state.json")
        self.changed = False

    def read(self) -> list[state.Key]:
        try:
            with open(self.list, encoding="utf-8") as stream:
                return state.load(json.load(stream))
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise Problem(f"{self.list} cannot be read: {error}. Put back the file from a backup") from error

    def write(self, keys: Sequence[state.Key]) -> None:
        text = json.dumps(state.dump(keys), indent=2) + "\n"
        self._put(self.list, text.encode())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Two runs must not step on each other."""
        if self.check_mode:
            yield
            return
        self._make_directory(self.directory)
        with open(os.path.join(self.directory, ".lock"), "w", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def file(self, key: state.Key) -> str:
        return os.path.join(self.directory, key.path)

    def has(self, key: state.Key) -> bool:
        return os.path.exists(self.file(key))

    def key_text(self, key: state.Key) -> bytes:
        try:
            with open(self.file(key), "rb") as stream:
                return stream.read()
        except OSError:
            return b""

    def put_key(self, key: state.Key, pem: bytes) -> None:
        self._make_directory(os.path.dirname(self.file(key)))
        self._put(self.file(key), pem)

    def remove_key(self, key: state.Key) -> None:
        if not self.has(key):
            return
        self.changed = True
        if not self.check_mode:
            os.unlink(self.file(key))

    def secure(self, key: state.Key) -> None:
        """Only the owner reads it; opendkim refuses to sign otherwise (RequireSafeKeys)."""
        path = self.file(key)
        ids = self._ids()
        for each, mode in ((self.directory, 0o700), (os.path.dirname(path), 0o700), (path, 0o600)):
            if not os.path.exists(each) or ids is None:
                continue
            found = os.stat(each)
            if (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (mode, *ids):
                continue
            self.changed = True
            if not self.check_mode:
                os.chmod(each, mode)
                os.chown(each, *ids)

    def _ids(self) -> tuple[int, int] | None:
        try:
            return pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(self.owner).gr_gid
        except KeyError as error:
            if self.check_mode:
                return None
            raise Problem(f"there is no user and group {self.owner}; install opendkim first") from error

    def _make_directory(self, path: str) -> None:
        if self.check_mode or os.path.isdir(path):
            return
        os.makedirs(path, 0o700)
        ids = self._ids()
        if ids:
            os.chown(path, *ids)

    def _put(self, path: str, content: bytes) -> None:
        """Whole or not at all, and on the disk when this returns."""
        self.changed = True
        if self.check_mode:
            return
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fchmod(stream.fileno(), 0o600)
                ids = self._ids()
                if ids:
                    os.fchown(stream.fileno(), *ids)
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class Action:
    """One action on the keys of a host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.params = module.params
        self.module = module
        self.now = int(time.time())
        self.store = Store(self.params["directory"], self.params["owner"], module.check_mode)

    def make(self, domain: str, selector: str) -> state.Key:
        """A new key, its file first: a list that names a key without a file would stop all mail of its domain."""
        bits = self.params["bits"]
        key = state.Key(domain, selector, state.PENDING, self.now, self.now, state.MADE, "rsa", bits)
        if self.module.check_mode:
            return key
        pem = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")
        kind, bits, public = describe(pem)
        self.store.put_key(key, pem)
        return replace(key, kind=kind, bits=bits, public=public)

    def run(self, name: str) -> tuple[list[state.Key], list[state.Key]]:
        """The keys before and after."""
        if name in ("read", "test"):
            before = self.store.read()
            return before, before
        with self.store.locked():
            before = self.store.read()
            after: list[state.Key] = getattr(self, name)(before)
            self.settle(before, after)
        return before, after

    def ensure(self, keys: list[state.Key]) -> list[state.Key]:
        given = {}
        for entry in self.params["given"]:
            pem = entry["private_key"].strip().encode() + b"\n"
            try:
                kind, bits, public = describe(pem)
            except Problem as problem:
                raise Problem(f"the key of {entry['selector']}._domainkey.{entry['domain']}: {problem}") from problem
            given[state.Given(entry["domain"], entry["selector"], kind, bits, public)] = pem
        # A key whose file is lost cannot sign: another takes its place, its record stays for the mail on its way.
        usable = [key for key in keys if key.status not in (state.PENDING, state.ACTIVE) or self._there(key)]
        lost = [
            key.turned(state.RETIRING, self.now) for key in keys if key not in usable and key.status == state.ACTIVE
        ]
        after = state.ensure(
            [*usable, *lost], self.params["domains"], list(given), self.params["prefix"], self.now, self.make
        )
        for entry, pem in given.items():
            (key,) = [each for each in after if (each.domain, each.selector) == (entry.domain, entry.selector)]
            if self.store.key_text(key) != pem:
                self.store.put_key(key, pem)
        return after

    def _there(self, key: state.Key) -> bool:
        return key.origin == state.GIVEN or self.store.has(key)

    def begin(self, keys: list[state.Key]) -> list[state.Key]:
        after, settle = state.seconds(self.params["rotate_after"]), state.seconds(self.params["settle"])
        domains = state.due(keys, after, settle, self.params["rotate_now"], self.now)
        return state.begin(keys, domains, self.params["prefix"], self.now, self.make)

    def switch(self, keys: list[state.Key]) -> list[state.Key]:
        ready = [key.name for key in keys if key.name in self.params["visible"] and self.store.has(key)]
        return state.switch(keys, ready, self.now)

    def retire(self, keys: list[state.Key]) -> list[state.Key]:
        keep, keep_revoked = state.seconds(self.params["keep"]), state.seconds(self.params["keep_revoked"])
        return state.retire(keys, keep, keep_revoked, self.now)

    def settle(self, before: list[state.Key], after: list[state.Key]) -> None:
        """The list on the disk, then what follows from it."""
        if state.dump(after) != state.dump(before):
            self.store.write(after)
        left = {key.name for key in after}
        for key in [*after, *(key for key in before if key.name not in left)]:
            if key.status == state.REVOKED or key.name not in left:
                self.store.remove_key(key)
            else:
                self.store.secure(key)

    def unpublished(self, keys: list[state.Key]) -> list[str]:
        found = []
        for key in keys:
            if key.status != state.ACTIVE:
                continue
            command = ["opendkim-testkey", "-x", self.params["config"], "-d", key.domain, "-s", key.selector]
            command += ["-k", self.store.file(key)]
            try:
                done = subprocess.run(command, capture_output=True, timeout=60, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                found.append(f"{key.name}: {error}")
                continue
            if done.returncode != 0:
                words = done.stderr.decode(errors="replace").strip().splitlines() or ["no answer"]
                found.append(f"{key.name}: {words[-1].rpartition('opendkim-testkey: ')[2]}")
        return found

    def sentences(self, before: list[state.Key], after: list[state.Key]) -> tuple[list[str], list[str]]:
        """(what was done, what is awaited)"""
        old = {key.name: key for key in before}
        done = [_change(old.get(key.name), key) for key in after]
        left = {key.name for key in after}
        done += [f"{key.name} is forgotten; its record may be removed" for key in before if key.name not in left]
        return [text for text in done if text], [text for key in after if (text := self._awaited(key))]

    def _awaited(self, key: state.Key) -> str:
        if key.status == state.PENDING:
            return f"{key.name} signs as soon as every name server of its zone has its record"
        if key.status == state.RETIRING:
            return f"{key.name} is revoked after {_date(key.since + state.seconds(self.params['keep']))}"
        if key.status == state.REVOKED:
            return f"{key.name} is forgotten after {_date(key.since + state.seconds(self.params['keep_revoked']))}"
        return ""


def _change(old: state.Key | None, new: state.Key) -> str:
    if old is not None and old.status == new.status:
        return f"{new.name} has another key" if old.public != new.public else ""
    return {
        state.PENDING: f"{new.name} is made; it is to be published before it signs",
        state.ACTIVE: f"{new.name} signs for {new.domain}",
        state.RETIRING: f"{new.name} signs no more; its record stays for mail that is on its way",
        state.REVOKED: f"{new.name} is revoked; its private key is deleted",
    }[new.status]


def _date(when: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(when))


def _by_urgency(key: state.Key) -> bool:
    return key.status == state.ACTIVE


def _shown(keys: list[state.Key]) -> str:
    return "".join(f"{key.name} {key.status}\n" for key in keys)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "action": {
                "type": "str",
                "default": "read",
                "choices": ["read", "ensure", "begin", "switch", "retire", "test"],
            },
            "directory": {"type": "path", "default": "/etc/dkimkeys"},
            "owner": {"type": "str", "default": "opendkim"},
            "domains": {"type": "list", "elements": "str", "default": []},
            "given": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "domain": {"type": "str", "required": True},
                    "selector": {"type": "str", "required": True},
                    "private_key": {"type": "str", "required": True, "no_log": True},
                },
            },
            "prefix": {"type": "str", "default": "dkim"},
            "bits": {"type": "int", "default": 2048, "choices": [2048, 3072, 4096]},
            "rotate_after": {"type": "str", "default": "180d"},
            "rotate_now": {"type": "bool", "default": False},
            "settle": {"type": "str", "default": "1h"},
            "visible": {"type": "list", "elements": "str", "default": []},
            "keep": {"type": "str", "default": "7d"},
            "keep_revoked": {"type": "str", "default": "30d"},
            "config": {"type": "path", "default": "/etc/opendkim/opendkim.conf"},
        },
        supports_check_mode=True,
    )
    action = Action(module)
    try:
        before, after = action.run(module.params["action"])
        done, awaited = action.sentences(before, after)
        unpublished = action.unpublished(after) if module.params["action"] == "test" else []
    except (Problem, ValueError, OSError) as problem:
        module.fail_json(msg=str(problem))
        return
    for text in unpublished:
        module.warn(f"DKIM: what is signed with this key cannot be verified by anybody yet: {text}")
    shown = [
        {
            "domain": key.domain,
            "selector": key.selector,
            "name": key.name,
            "status": key.status,
            "since": key.since,
            "file": action.store.file(key),
        }
        for key in after
    ]
    left = {key.name for key in after}
    module.exit_json(
        changed=action.store.changed,
        keys=shown,
        signing=[each for each in shown if each["status"] == state.ACTIVE],
        pending=[each for each in shown if each["status"] == state.PENDING],
        records=[state.record(key) for key in after if key.public],
        pending_records=[state.record(key) for key in after if key.public and key.status == state.PENDING],
        zone_lines=[state.zone_line(key) for key in sorted(after, key=_by_urgency) if key.public],
        obsolete=[key.name for key in before if key.name not in left],
        done=done,
        awaited=awaited,
        unpublished=unpublished,
        diff={"before": _shown(before), "after": _shown(after)},
    )


if __name__ == "__main__":
    main()
