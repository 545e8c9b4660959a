"""A key takes the place of another, or nothing has happened: certbot's files, and an authority that may refuse."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.modules.certificate_key import Change, Lineage, Problem, key_digest

NAME = "mx.example.org"


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], capture_output=True, check=True)


def make_key(path: Path) -> None:
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(path))


def make_certificate(key: Path, path: Path, name: str = NAME) -> None:
    words = ["req", "-x509", "-key", str(key), "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    openssl(*words, "-out", str(path))


# As certbot renews with --reuse-key: it reads live/privkey.pem and writes the next number of everything.
CERTBOT = """#!/bin/sh
set -e
[ "$ANSWER" = refuse ] && { echo "the authority is busy" >&2; exit 1; }
cd "$LETSENCRYPT/archive/mx.example.org"
number=$(ls | sed 's/[^0-9]//g' | sort -n | tail -1); number=$((number + 1))
cp ../../live/mx.example.org/privkey.pem privkey$number.pem
openssl req -x509 -key privkey$number.pem -subj /CN=mx.example.org -out cert$number.pem
for kind in cert privkey; do
  ln -sfn ../../archive/mx.example.org/$kind$number.pem ../../live/mx.example.org/$kind.pem
done
"""


class Host:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.letsencrypt = root / "letsencrypt"
        for directory in ("live", "archive"):
            (self.letsencrypt / directory / NAME).mkdir(parents=True)
        (self.letsencrypt / "renewal").mkdir()
        (self.letsencrypt / "renewal" / f"{NAME}.conf").touch()
        archive = self.letsencrypt / "archive" / NAME
        make_key(archive / "privkey1.pem")
        make_certificate(archive / "privkey1.pem", archive / "cert1.pem")
        self.lineage = Lineage(self.letsencrypt, NAME)
        for kind in ("cert", "privkey"):
            (self.lineage.live / f"{kind}.pem").symlink_to(f"../../archive/{NAME}/{kind}1.pem")
        self.served = root / "served.pem"
        self.served.write_bytes((archive / "cert1.pem").read_bytes())
        self.next = root / "next.pem"
        make_key(self.next)
        self.deploy = ["cp", str(self.lineage.live / "cert.pem"), str(self.served)]

    def change(self, **params: Any) -> Change:
        defaults = {
            "issuer": "auto",
            "digest": key_digest(self.next),
            "key_file": str(self.next),
            "pair": "main",
            "certificate": str(self.served),
            "lineage": NAME,
            "config_directory": str(self.letsencrypt),
            "tool": str(self.root / "tool"),
            "deploy": self.deploy,
        }
        return Change({**defaults, **params})

    def links(self) -> list[str]:
        return [os.path.basename(os.readlink(self.lineage.live / f"{kind}.pem")) for kind in ("cert", "privkey")]

    def archive(self) -> list[str]:
        return sorted(path.name for path in self.lineage.archive.iterdir())


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(tmp_path)
    program = tmp_path / "bin" / "certbot"
    program.parent.mkdir()
    program.write_text(CERTBOT)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("LETSENCRYPT", str(found.letsencrypt))
    return found


def test_certbot_gives_a_certificate_for_the_next_key(host: Host) -> None:
    change = host.change()
    change.run(change.issuer())
    assert change.in_use
    assert host.links() == ["cert3.pem", "privkey3.pem"]
    assert host.archive() == ["cert1.pem", "cert3.pem", "privkey1.pem", "privkey3.pem"]
    assert key_digest(host.lineage.key) == key_digest(host.next)


def test_a_refusal_leaves_all_as_it_was(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSWER", "refuse")
    change = host.change()
    with pytest.raises(Problem, match="the authority is busy"):
        change.run("certbot")
    assert not change.in_use
    assert host.links() == ["cert1.pem", "privkey1.pem"]
    assert host.archive() == ["cert1.pem", "privkey1.pem"]


def test_what_a_killed_run_left_is_mended(host: Host) -> None:
    host.lineage.link_key(host.lineage.add_key(host.next.read_bytes()))
    assert host.links() == ["cert1.pem", "privkey2.pem"]
    assert host.lineage.repair()
    assert host.links() == ["cert1.pem", "privkey1.pem"]
    assert host.archive() == ["cert1.pem", "privkey1.pem"]
    assert not host.lineage.repair()


def test_a_certificate_that_was_not_put_in_use_is_not_asked_for_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Problem, match="is not in use: nothing"):
        host.change(deploy=["sh", "-c", "echo nothing; exit 1"]).run("certbot")
    monkeypatch.setenv("ANSWER", "refuse")
    change = host.change(key_file=None)
    change.run("certbot")
    assert change.in_use


def test_another_key_than_the_published_one_is_refused(host: Host) -> None:
    make_key(host.next)
    stranger = host.root / "stranger.pem"
    make_key(stranger)
    with pytest.raises(Problem, match="another key"):
        host.change(key_file=str(stranger)).run("certbot")
    assert host.archive() == ["cert1.pem", "privkey1.pem"]


TOOL = '#!/bin/sh\n[ "$4 $5 $6" = "--pair main --any-issuer" ] || exit 2\ncp "$2" {served}\nexit {status}\n'


@pytest.mark.parametrize(("status", "good"), [(0, True), (3, True), (1, False)])
def test_a_self_signed_certificate_is_made_for_the_key(host: Host, status: int, good: bool) -> None:
    tool = host.root / "tool"
    tool.write_text(TOOL.format(served=host.served, status=status))
    tool.chmod(0o755)
    change = host.change(lineage="")
    assert change.issuer() == "self_signed"
    if not good:
        with pytest.raises(Problem):
            change.run("self_signed")
        return
    change.run("self_signed")
    assert change.in_use


def test_of_a_certificate_from_elsewhere_only_a_request_is_made(host: Host) -> None:
    issuer = host.root / "issuer.pem"
    make_key(issuer)
    make_certificate(issuer, host.root / "ca.pem", "ca.example.org")
    request = ["req", "-new", "-key", str(host.next), "-subj", f"/CN={NAME}", "-out", str(host.root / "r.csr")]
    openssl(*request)
    words = ["x509", "-req", "-in", str(host.root / "r.csr"), "-CA", str(host.root / "ca.pem"), "-CAkey", str(issuer)]
    other = host.root / "other.pem"
    openssl(*words, "-CAcreateserial", "-out", str(other))
    make_key(host.next)
    change = host.change(lineage="", certificate=str(other))
    assert change.issuer() == "other"
    change.run("other")
    assert not change.in_use
    assert Path(change.request).read_text().startswith("-----BEGIN CERTIFICATE REQUEST")
    assert "get one for the request" in change.said[-1]
