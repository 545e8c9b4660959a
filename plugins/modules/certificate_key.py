#!/usr/bin/python
# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_key
author: Postern contributors (@postern)
short_description: Get a certificate for a given key, and put it in use
version_added: 0.1.0
description:
  - Lets the key that is in O(key_file) take the place of the one that is served. Does what
    C(playbooks/rotate_certificate_key.yml) does when DNS has had its record for long enough.
  - Nothing is changed until there is a certificate for the key; then O(tool) checks the pair, installs it in one step,
    lets the services take it and proves at each port that they serve it, or goes back.
  - With V(certbot) the key becomes that of the lineage for the time of a renewal, which keeps it (C(--reuse-key)).
    Where the authority gives no certificate, the lineage has its former key again, also after a run that was killed.
options:
  issuer:
    description:
      - Where the certificate comes from. V(certbot), V(self_signed), or V(other), for which only a request is made
        (beside O(key_file), with the suffix C(.csr)).
      - V(auto) is V(certbot) where O(lineage) is known to certbot, V(self_signed) where the certificate in use is, else
        V(other).
    type: str
    choices: [auto, certbot, self_signed, other]
    default: auto
  digest:
    description: SHA-256 of the key's SubjectPublicKeyInfo, in hexadecimal digits.
    type: str
    required: true
  key_file:
    description: The private key. Empty where a certificate of certbot's has it already and only is not in use yet.
    type: path
  pair:
    description: Which certificate.
    type: str
    choices: [main, rsa]
    default: main
  certificate:
    description: The file that is served, for its names.
    type: path
    required: true
  lineage:
    description: What certbot calls the certificate; empty where certbot has nothing to do with it.
    type: str
    default: ""
  config_directory:
    description: certbot's directory.
    type: path
    default: /etc/letsencrypt
  tool:
    description: The program that installs certificates.
    type: path
    default: /usr/local/lib/postern/certificate
  deploy:
    description: With V(certbot), the command that puts in use what certbot has, as a list of words.
    type: list
    elements: str
    default: []
requirements:
  - The C(openssl) command on the host; C(certbot) for V(certbot).
attributes:
  check_mode:
    description: Tells that it would be done.
    support: full
seealso:
  - module: postern.mail.dane_keys
"""

EXAMPLES = r"""
- name: Serve the next key
  postern.mail.certificate_key:
    digest: 5f3c...
    key_file: /var/lib/postern/dane/main-5f3c.pem
    certificate: /etc/ssl/postern/mx1.example.org/fullchain.pem
    lineage: mx1.example.org
"""

RETURN = r"""
in_use:
  description: Whether the key is the one in O(certificate) now.
  returned: success
  type: bool
issuer:
  description: Where the certificate comes from.
  returned: success
  type: str
request:
  description: With V(other), the file with the request.
  returned: success
  type: str
said:
  description: What was done, as sentences.
  returned: success
  type: list
  elements: str
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.postern.mail.plugins.module_utils._openssl import Problem, openssl

_SILENT_PORTS = 3  # of the tool: in use, but a port answers nobody, as before


def run(words: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(words, capture_output=True, timeout=900, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Problem(f"{words[0]}: {error}") from error


def words_of(done: subprocess.CompletedProcess[bytes]) -> str:
    text = (done.stderr + b"\n" + done.stdout).decode(errors="replace")
    noise = re.compile(r"^(Saving debug log|Ask for help|- - -|Plugins selected|\s*$)")
    return "; ".join(line.strip() for line in text.splitlines() if not noise.match(line))


def digest_of(public: bytes) -> str:
    return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", data=public)).hexdigest()


def certificate_digest(path: Path) -> str:
    """Digest of the key that a certificate has; empty where there is no certificate."""
    return digest_of(openssl("x509", "-noout", "-pubkey", data=path.read_bytes())) if path.exists() else ""


def key_digest(path: Path) -> str:
    return digest_of(openssl("pkey", "-in", str(path), "-passin", "pass:", "-pubout"))


def names_of(certificate: Path) -> list[str]:
    text = openssl("x509", "-noout", "-ext", "subjectAltName", data=certificate.read_bytes()).decode(errors="replace")
    return re.findall(r"DNS:([^,\s]+)", text)


def is_self_signed(certificate: Path) -> bool:
    text = openssl("x509", "-noout", "-subject", "-issuer", data=certificate.read_bytes()).decode(errors="replace")
    return len({line.partition("=")[2].strip() for line in text.splitlines() if line.strip()}) == 1


class Lineage:
    """certbot's certificate and its successors: files archive/NAME/KINDn.pem, a link to one of each in live/NAME."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.live = directory / "live" / name
        self.archive = directory / "archive" / name
        self.renewal = directory / "renewal" / f"{name}.conf"

    @property
    def exists(self) -> bool:
        return self.renewal.exists() and (self.live / "privkey.pem").is_symlink()

    @property
    def key(self) -> Path:
        return self.live / "privkey.pem"

    def certificate_digest(self) -> str:
        return certificate_digest(self.live / "cert.pem")

    def version(self, kind: str) -> str:
        found = re.fullmatch(rf"{kind}(\d+)\.pem", os.path.basename(os.readlink(self.live / f"{kind}.pem")))
        if not found:
            raise Problem(f"{self.live}/{kind}.pem does not lead to a file as certbot names them")
        return found.group(1)

    def link_key(self, version: str) -> None:
        """Let privkey.pem lead to another file, in one step."""
        staged = self.live / ".privkey.postern"
        staged.unlink(missing_ok=True)
        staged.symlink_to(f"../../archive/{self.name}/privkey{version}.pem")
        os.replace(staged, self.key)

    def repair(self) -> bool:
        """A run that was killed leaves a key without its certificate; certbot would make the next one for it."""
        wanted = self.version("cert")
        if self.version("privkey") == wanted:
            return False
        stray = Path(os.path.realpath(self.key))
        self.link_key(wanted)
        self.forget(stray)
        return True

    def forget(self, stray: Path) -> None:
        """A key that no certificate came for."""
        if (
            stray.parent == self.archive.resolve()
            and not (self.archive / stray.name.replace("privkey", "cert")).exists()
        ):
            stray.unlink(missing_ok=True)

    def add_key(self, pem: bytes) -> str:
        """The number under which certbot finds the key."""
        numbers = [
            int(found.group(1)) for path in self.archive.iterdir() if (found := re.search(r"(\d+)\.pem$", path.name))
        ]
        version = str(max(numbers, default=0) + 1)
        path = self.archive / f"privkey{version}.pem"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(pem)
            stream.flush()
            os.fsync(stream.fileno())
        return version


class Change:
    """One change of keys."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.digest: str = params["digest"]
        self.certificate = Path(params["certificate"])
        self.key_file = Path(params["key_file"]) if params["key_file"] else None
        self.lineage = Lineage(Path(params["config_directory"]), params["lineage"]) if params["lineage"] else None
        self.said: list[str] = []
        self.request = ""

    @property
    def in_use(self) -> bool:
        return certificate_digest(self.certificate) == self.digest

    def issuer(self) -> str:
        chosen: str = self.params["issuer"]
        if chosen != "auto":
            return chosen
        if self.lineage and self.lineage.exists:
            return "certbot"
        return "self_signed" if is_self_signed(self.certificate) else "other"

    def run(self, issuer: str) -> None:
        """:raises Problem: it is not in use"""
        if issuer != "certbot" or not self.lineage or self.lineage.certificate_digest() != self.digest:
            self.check_key()
        {"certbot": self.certbot, "self_signed": self.self_signed, "other": self.other}[issuer]()

    def check_key(self) -> None:
        if self.key_file is None:
            raise Problem("the certificate that had this key is gone, and the key with it; the next one will be used")
        if key_digest(self.key_file) != self.digest:
            raise Problem(f"{self.key_file} is another key than the one that is published")

    def certbot(self) -> None:
        lineage = self.lineage
        if lineage is None or not lineage.exists:
            raise Problem("certbot has no such certificate yet; run playbooks/site.yml first")
        if lineage.repair():
            self.said.append(f"certbot's {lineage.name} has its own key again, which a run that was killed had taken")
        if lineage.certificate_digest() != self.digest:
            self.renew(lineage)
        done = run(self.params["deploy"]) if self.params["deploy"] else None
        if not self.in_use:
            why = words_of(done) if done else "nobody put it in use"
            raise Problem(f"there is a certificate for the next key, and it is not in use: {why}")
        self.said.append(f"{self.certificate} has the next key; the authority gave a certificate for it")

    def renew(self, lineage: Lineage) -> None:
        if self.key_file is None:
            raise Problem("there is no key file")
        former = lineage.version("privkey")
        version = lineage.add_key(self.key_file.read_bytes())
        try:
            lineage.link_key(version)
            options = ["--force-renewal", "--reuse-key", "--no-random-sleep-on-renew", "--non-interactive"]
            done = run(["certbot", "renew", "--cert-name", lineage.name, *options])
            if lineage.certificate_digest() != self.digest:
                raise Problem(f"the authority gave no certificate for the next key. certbot says: {words_of(done)}")
        finally:
            if lineage.certificate_digest() != self.digest:
                lineage.link_key(former)
            lineage.forget(lineage.archive.resolve() / f"privkey{version}.pem")

    def self_signed(self) -> None:
        names = names_of(self.certificate)
        with tempfile.TemporaryDirectory() as directory:
            made = Path(directory, "certificate.pem")
            words = ["req", "-x509", "-key", str(self.key_file), "-sha256", "-days", "3650", "-out", str(made)]
            openssl(*words, "-addext", "extendedKeyUsage=serverAuth", *_subject(names))
            tool = [self.params["tool"], "deploy", str(made), str(self.key_file), "--pair", self.params["pair"]]
            done = run([*tool, "--any-issuer"])
        if done.returncode not in (0, _SILENT_PORTS):
            raise Problem(f"the certificate was not put in use: {words_of(done)}")
        self.said.append(words_of(done))

    def other(self) -> None:
        if self.key_file is None:
            raise Problem("there is no key file")
        request = self.key_file.with_suffix(".csr")
        if not request.exists():
            text = openssl("req", "-new", "-key", str(self.key_file), "-sha256", *_subject(names_of(self.certificate)))
            with tempfile.NamedTemporaryFile(dir=request.parent, delete=False) as stream:
                stream.write(text)
            shutil.move(stream.name, request)
        self.request = str(request)
        self.said.append(
            f"the certificate comes from elsewhere: get one for the request {request}, "
            f"and bring it together with the key {self.key_file}"
        )


def _subject(names: Sequence[str]) -> list[str]:
    first = names[0] if names else "localhost"
    alternatives = ",".join(f"DNS:{name}" for name in names or [first])
    return ["-subj", f"/CN={first[:64]}", "-addext", f"subjectAltName={alternatives}"]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "issuer": {"type": "str", "default": "auto", "choices": ["auto", "certbot", "self_signed", "other"]},
            "digest": {"type": "str", "required": True},
            "key_file": {"type": "path", "no_log": False},
            "pair": {"type": "str", "default": "main", "choices": ["main", "rsa"]},
            "certificate": {"type": "path", "required": True},
            "lineage": {"type": "str", "default": ""},
            "config_directory": {"type": "path", "default": "/etc/letsencrypt"},
            "tool": {"type": "path", "default": "/usr/local/lib/postern/certificate"},
            "deploy": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    change = Change(module.params)
    try:
        issuer, before = change.issuer(), change.in_use
        if not before and not module.check_mode:
            change.run(issuer)
        in_use = change.in_use or module.check_mode
    except (Problem, OSError, KeyError) as problem:
        module.fail_json(msg=f"The key is as it was: {problem}", said=change.said)
        return
    module.exit_json(
        changed=in_use and not before, in_use=in_use, issuer=issuer, request=change.request, said=change.said
    )


if __name__ == "__main__":
    main()
