#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dane_keys
author: Postern contributors (@postern)
short_description: Keep the keys of a server's certificates as DNS knows them (DANE)
version_added: 0.1.0
description:
  - Looks which keys the certificates of a server have, makes the key that each will have next, and tells the TLSA
    records (3 1 1) of all of them. A next key is used when no cache can hold an answer without its record.
  - The next keys and a list of all keys (C(state.json)) are in O(directory). Private keys never leave the host.
  - Each O(action) can be repeated at any time.
options:
  action:
    description:
      - V(read) changes nothing and tells what there is.
      - V(ensure) notes what is served and makes the next keys that are missing.
      - V(see) notes that all name servers have the records of the keys in O(visible), and only those.
      - V(retire) forgets keys that are not served any more, when no cache can hold an answer without their successor.
      - V(test) is as V(read), and asks this machine's resolver for the records.
      - V(left) is for a server that had keys here and keeps them no longer; asks whether DNS still has records of it.
    type: str
    choices: [read, ensure, see, retire, test, left]
    default: read
  directory:
    description: Where the next keys are.
    type: path
    default: /var/lib/postern/dane
  hostname:
    description: Name of the server, as its MX record has it.
    type: str
    required: true
  ports:
    description: Ports that records are made for.
    type: list
    elements: int
    default: [25]
  ttl:
    description: TTL of the records in seconds.
    type: int
    default: 3600
  certificates:
    description: The certificates that are served.
    type: list
    elements: dict
    default: []
    suboptions:
      pair:
        description: Which one.
        type: str
        choices: [main, rsa]
        default: main
      file:
        description: Its PEM file, the certificate first.
        type: path
        required: true
  visible:
    description: Digests whose records all name servers have.
    type: list
    elements: str
    default: []
  rotate_after:
    description: Age at which a key is to be replaced, such as V(365d); V(0d) is never.
    type: str
    default: 0d
  rotate_now:
    description: Keys of any age are to be replaced.
    type: bool
    default: false
  settle:
    description: With O(rotate_now), a key that is in use for less than this is left alone.
    type: str
    default: 1h
requirements:
  - The C(openssl) command on the host.
attributes:
  check_mode:
    description: Predicts the steps; a key that would be made has no record.
    support: full
  diff_mode:
    description: Shows which keys change, never a private key.
    support: full
seealso:
  - name: RFC 7672
    description: SMTP Security via Opportunistic DANE TLS
    link: https://www.rfc-editor.org/rfc/rfc7672
"""

EXAMPLES = r"""
- name: Make the next keys
  postern.mail.dane_keys:
    action: ensure
    hostname: mx1.example.org
    certificates: [{file: /etc/ssl/postern/mx1.example.org/fullchain.pem}]
  register: keys
"""

RETURN = r"""
keys:
  description: All keys, each with C(pair), C(digest), C(kind), C(status), C(since), C(seen), C(origin), C(file).
  returned: success
  type: list
  elements: dict
records:
  description: The TLSA records that there should be, each with C(name), C(type), C(value) and C(ttl).
  returned: success
  type: list
  elements: dict
zone_lines:
  description: RV(records) as lines of a zone file.
  returned: success
  type: list
  elements: str
due:
  description: Pairs whose key is to be replaced.
  returned: success
  type: list
  elements: str
steps:
  description: >-
    For each pair in RV(due), and for each whose next key a certificate waits with, the next key with C(pair),
    C(digest), C(file), C(origin), C(usable) (whether it may be served now) and C(usable_in) (seconds, -1 as long as its
    record was not seen).
  returned: success
  type: list
  elements: dict
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
  description: With O(action=test) and O(action=left), what DNS does not say as it should.
  returned: success
  type: list
  elements: str
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.postern.mail.plugins.module_utils import _dane_state as state
from ansible_collections.postern.mail.plugins.module_utils import _dnssec
from ansible_collections.postern.mail.plugins.module_utils._dkim_state import seconds
from ansible_collections.postern.mail.plugins.module_utils._openssl import Problem, openssl

_TLSA = bytes([3, 1, 1])


def describe(public: bytes) -> tuple[str, str]:
    """(digest, kind) of a public key in PEM form.

    :raises Problem: it is none
    """
    digest = hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", data=public)).hexdigest()
    text = openssl("pkey", "-pubin", "-noout", "-text", data=public).decode(errors="replace")
    curve, bits = re.search(r"ASN1 OID: (\S+)", text), re.search(r"Public-Key: \((\d+) bit\)", text)
    if curve:
        return digest, f"ec:{curve.group(1)}"
    if "Modulus" in text and bits:
        return digest, f"rsa:{bits.group(1)}"
    return digest, text.split(maxsplit=1)[0].lower()


def make_key(kind: str) -> bytes:
    """A private key, as PEM text, of the kind that :func:`describe` tells."""
    name, _colon, detail = kind.partition(":")
    options = {
        "rsa": ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{detail}"],
        "ec": ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{detail}", "-pkeyopt", "ec_param_enc:named_curve"],
    }
    return openssl("genpkey", *options.get(name, ["-algorithm", name]))


class Store:
    """The directory with the next keys and the list of all."""

    def __init__(self, directory: str, check_mode: bool) -> None:
        self.directory = Path(directory)
        self.check_mode = check_mode
        self.changed = False

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        if self.check_mode:
            yield
            return
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(self.directory, 0o700)
        with open(self.directory / ".lock", "w", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def read(self) -> state.State:
        data = self._json("state.json")
        try:
            return state.load(data) if data is not None else state.State()
        except ValueError as error:
            raise Problem(f"{self.directory}/state.json: {error}") from error

    def offers(self) -> list[state.Key]:
        """Keys of certificates that the guard has stopped."""
        data = self._json("offers.json") or {}
        try:
            return [
                state.Key(
                    each["pair"], digest, each["kind"], state.NEXT, each["since"], each["since"], 0, state.OFFERED
                )
                for digest, each in data.items()
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise Problem(f"{self.directory}/offers.json is damaged ({error}); remove it") from error

    def forget_offers(self, digests: Sequence[str]) -> None:
        """What came into use waits no longer."""
        offers = self._json("offers.json") or {}
        left = {digest: each for digest, each in offers.items() if digest not in digests}
        if left != offers:
            self._put("offers.json", (json.dumps(left, indent=1) + "\n").encode())

    def _json(self, name: str) -> Any:
        try:
            return json.loads((self.directory / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise Problem(f"{self.directory / name} cannot be read: {error}") from error

    def write(self, there: state.State) -> None:
        self._put("state.json", (json.dumps(state.dump(there), indent=1) + "\n").encode())

    def file(self, key: state.Key) -> Path:
        return self.directory / f"{key.pair}-{key.digest[:32]}.pem"

    def put_key(self, key: state.Key, pem: bytes) -> None:
        self._put(self.file(key).name, pem)

    def tidy(self, keys: Sequence[state.Key]) -> None:
        """Remove private keys that are in use by now, or never will be."""
        wanted = {self.file(key).stem for key in keys if key.status == state.NEXT}
        there = self.directory.glob("*-*.*") if self.directory.is_dir() else []
        for path in sorted(each for each in there if each.suffix in (".pem", ".csr")):
            if path.stem not in wanted:
                self.changed = True
                if not self.check_mode:
                    path.unlink()

    def _put(self, name: str, content: bytes) -> None:
        """Whole or not at all, and on the disk when this returns."""
        self.changed = True
        if self.check_mode:
            return
        handle, temporary = tempfile.mkstemp(dir=self.directory)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self.directory / name)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        folder = os.open(self.directory, os.O_RDONLY)
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
        self.store = Store(self.params["directory"], module.check_mode)

    def run(self, name: str) -> tuple[state.State, state.State]:
        """The state before and after."""
        if name == "left":
            return state.State(), state.State()
        if name in ("read", "test"):
            before = self.store.read()
            # What is served may have changed since; its record is needed now, whoever comes to write it down.
            return before, self.looked_at(before)
        with self.store.locked():
            before = self.store.read()
            after = getattr(self, name)(self.looked_at(before))
            self.settle(before, after)
        return before, after

    def looked_at(self, there: state.State) -> state.State:
        keys = state.observe(there.keys, self.served(), self.now)
        return replace(there.with_keys(state.offer(keys, self.store.offers(), self.now)))

    def served(self) -> dict[str, tuple[str, str]]:
        found = {}
        for each in self.params["certificates"]:
            path = Path(each["file"])
            if path.exists() or not self.module.check_mode:  # a dry run on a bare host has no certificate yet
                try:
                    public = openssl("x509", "-noout", "-pubkey", data=path.read_bytes())
                except (OSError, Problem) as error:
                    raise Problem(f"the certificate {path} cannot be read: {error}") from error
                found[each["pair"]] = describe(public)
        return found

    def make(self, pair: str, kind: str) -> state.Key:
        if self.module.check_mode:
            return state.Key(pair, "0" * 64, kind, state.NEXT, self.now, self.now)
        pem = make_key(kind)
        key = state.Key(pair, describe(openssl("pkey", "-pubout", data=pem))[0], kind, state.NEXT, self.now, self.now)
        self.store.put_key(key, pem)
        return key

    def ensure(self, there: state.State) -> state.State:
        usable = [
            key
            for key in there.keys
            if key.status != state.NEXT or key.origin != state.MADE or self.store.file(key).exists()
        ]
        keys = state.ensure(usable, self.now, self.make)
        ttl = self.params["ttl"]
        first = not self.store.read().keys  # nobody can have been told another TTL
        return state.State(tuple(keys), state.Lifetime(ttl) if first else there.lifetime.changed(ttl, self.now))

    def see(self, there: state.State) -> state.State:
        return there.with_keys(state.see(there.keys, self.params["visible"], self.now))

    def retire(self, there: state.State) -> state.State:
        return there.with_keys(state.retire(there.keys, there.lifetime, self.now))

    def settle(self, before: state.State, after: state.State) -> None:
        """The list on the disk, then what follows from it."""
        if state.dump(after) != state.dump(before):
            self.store.write(after)
        self.store.forget_offers([key.digest for key in after.keys if key.status == state.CURRENT])
        self.store.tidy(after.keys)

    def unpublished(self, there: state.State) -> Iterator[str]:
        """What this machine's resolver says otherwise."""
        wanted = state.records(there.keys, self.params["hostname"], self.params["ports"], self.params["ttl"])
        server = _resolver()
        for name in dict.fromkeys(record["name"] for record in wanted):
            try:
                answer = _dnssec.ask(server, name, "TLSA")
            except _dnssec.DnsError as error:
                yield f"{name}: the resolver {server}: {error}"
                continue
            yield from self._missing(name, answer, there)

    def left(self) -> Iterator[str]:
        """Records of keys that nobody keeps any more; nobody is asked where there never were any."""
        names = [f"_{port}._tcp.{self.params['hostname']}" for port in self.params["ports"]]
        for name in names if (self.store.directory / "state.json").exists() else []:
            with contextlib.suppress(_dnssec.DnsError):
                if _dnssec.ask(_resolver(), name, "TLSA").values:
                    yield (
                        f"{name} has TLSA records, and this server cares for them no longer: with its next key, mail "
                        "servers that use DANE cannot send here. Remove them from the zone"
                    )

    def _missing(self, name: str, answer: _dnssec.Answer, there: state.State) -> Iterator[str]:
        if answer.rcode not in (_dnssec.NOERROR, _dnssec.NXDOMAIN):
            yield f"{name}: the resolver answers {answer.words}: mail servers that use DANE cannot send here"
            return
        there_is = set(answer.values)
        for key in there.keys:
            if _TLSA + bytes.fromhex(key.digest) in there_is or key.status == state.RETIRING:
                continue
            if key.status == state.CURRENT and there_is:
                yield f"{name}: the key in use is not in DNS, others are: mail servers that use DANE cannot send here"
            elif key.status == state.CURRENT:
                yield f"{name}: there is no record yet, so nobody can use DANE to send here"
            elif there_is:
                yield f"{name}: the next key is not there yet"
        if there_is and not answer.proved:
            yield f"{name}: DNSSEC does not prove it, so nobody believes it; is the zone signed?"
        elif not answer.proved:
            yield f"{name}: and DNSSEC does not prove that; nobody believes records in a zone that is not signed"

    def steps(self, there: state.State, pairs: Sequence[str]) -> list[dict[str, Any]]:
        result = []
        for pair in state.PAIRS:
            key = state.successor(there.keys, pair)
            if key is None or (pair not in pairs and key.origin != state.OFFERED):
                continue
            usable = state.usable_from(key, there.lifetime, self.now)
            result.append(
                {
                    "pair": pair,
                    "digest": key.digest,
                    "file": str(self.store.file(key)) if key.origin == state.MADE else "",
                    "origin": key.origin,
                    "usable": state.is_usable(key, there.lifetime, self.now),
                    "usable_in": max(usable - self.now, 0) if usable else -1,
                }
            )
        return result

    def sentences(self, before: state.State, after: state.State, pairs: Sequence[str]) -> tuple[list[str], list[str]]:
        """(what was done, what is awaited)"""
        old = {(key.pair, key.digest): key for key in before.keys}
        done = [_change(old.get((key.pair, key.digest)), key) for key in after.keys]
        left = {(key.pair, key.digest) for key in after.keys}
        done += [
            f"{key.short} is forgotten; its record may be removed" for name, key in old.items() if name not in left
        ]
        return [text for text in done if text], [
            text for key in after.keys if (text := self._awaited(key, after.lifetime, pairs))
        ]

    def _awaited(self, key: state.Key, lifetime: state.Lifetime, pairs: Sequence[str]) -> str:
        if key.status == state.RETIRING:
            return f"{key.short} is forgotten after {_date(state.retired_from(key, lifetime, self.now))}"
        if key.status != state.NEXT or (key.pair not in pairs and key.origin != state.OFFERED):
            return ""
        if not key.seen:
            return f"{key.short} may be used two TTLs after every name server has its record; now some do not"
        return f"{key.short} may be used after {_date(state.usable_from(key, lifetime, self.now))}"


def _resolver() -> str:
    """Whom this machine asks first."""
    path = Path("/etc/resolv.conf")
    return _dnssec.nameservers(path.read_text(encoding="utf-8", errors="replace") if path.exists() else "")[0]


def _change(old: state.Key | None, new: state.Key) -> str:
    if old is not None and old.status == new.status:
        return f"every name server has the record of {new.short}" if new.seen and not old.seen else ""
    return {
        state.NEXT: f"{new.short} is made, to be published before it is used",
        state.CURRENT: f"{new.short} is in use",
        state.RETIRING: f"{new.short} is not in use any more; its record stays for a while",
    }[new.status]


def _date(when: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(when))


def _shown(there: state.State) -> str:
    return "".join(f"{key.pair} {key.digest} {key.status}\n" for key in there.keys)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "action": {
                "type": "str",
                "default": "read",
                "choices": ["read", "ensure", "see", "retire", "test", "left"],
            },
            "directory": {"type": "path", "default": "/var/lib/postern/dane"},
            "hostname": {"type": "str", "required": True},
            "ports": {"type": "list", "elements": "int", "default": [25]},
            "ttl": {"type": "int", "default": 3600},
            "certificates": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "pair": {"type": "str", "default": "main", "choices": ["main", "rsa"]},
                    "file": {"type": "path", "required": True},
                },
            },
            "visible": {"type": "list", "elements": "str", "default": []},
            "rotate_after": {"type": "str", "default": "0d"},
            "rotate_now": {"type": "bool", "default": False},
            "settle": {"type": "str", "default": "1h"},
        },
        supports_check_mode=True,
    )
    action, params = Action(module), module.params
    try:
        before, after = action.run(params["action"])
        after_age, settle = seconds(params["rotate_after"]), seconds(params["settle"])
        due = state.due(after.keys, after_age, settle, params["rotate_now"], action.now)
        done, awaited = action.sentences(before, after, due)
        wrong = {"test": lambda: action.unpublished(after), "left": action.left}.get(params["action"], lambda: iter(()))
        unpublished = list(wrong())
    except (Problem, ValueError, OSError) as problem:
        module.fail_json(msg=f"DANE: {problem}")
        return
    for text in unpublished:
        module.warn(f"DANE: {text}")
    real = [key for key in after.keys if key.digest != "0" * 64]
    records = state.records(real, params["hostname"], params["ports"], params["ttl"])
    module.exit_json(
        changed=action.store.changed,
        keys=[{**vars(key), "file": str(action.store.file(key))} for key in after.keys],
        records=records,
        zone_lines=[state.zone_line(record) for record in records],
        due=due,
        steps=action.steps(after, due),
        done=done,
        awaited=awaited,
        unpublished=unpublished,
        diff={"before": _shown(before), "after": _shown(after)},
    )


if __name__ == "__main__":
    main()
