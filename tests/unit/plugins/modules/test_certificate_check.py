# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What the host says of a pair of files: the certificates, and of the key no more than whether it fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.postern.mail.plugins.modules.certificate_check import look
from sample_certificates import CHAIN, key_pem, leaf

GOOD = leaf() + CHAIN


@pytest.mark.parametrize(
    ("certificate", "key", "verdict"),
    [
        (GOOD, key_pem(), "fits"),
        (f"words\n{GOOD}", key_pem(), "fits"),
        (leaf("rsa1024") + CHAIN, key_pem("rsa1024"), "fits"),  # weak, which is judged elsewhere
        (GOOD, key_pem(owner="other"), "mismatch"),
        (GOOD, key_pem("rsa2048"), "mismatch"),
        (CHAIN + leaf(), key_pem(), "mismatch"),
        (GOOD, key_pem(passphrase=b"secret"), "encrypted"),
        (GOOD, "words", "none"),
        (GOOD, GOOD, "none"),
        (GOOD, key_pem()[:-60], "unreadable"),
        ("words", key_pem(), "unjudged"),
    ],
)
def test_a_key_is_judged_where_it_lies(tmp_path: Path, certificate: str, key: str, verdict: str) -> None:
    files = {"certificate": tmp_path / "certificate.pem", "key": tmp_path / "key.pem"}
    files["certificate"].write_text(certificate, encoding="ascii")
    files["key"].write_text(key, encoding="ascii")
    seen = look({name: str(path) for name, path in files.items()})
    assert seen["key"] == verdict
    assert "PRIVATE KEY" not in str(seen)


@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o640, False), (0o644, True), (0o660, True)])
def test_a_key_that_others_may_read_is_told(tmp_path: Path, mode: int, is_open: bool) -> None:
    for name, text in (("certificate", GOOD + key_pem()), ("key", key_pem())):
        (tmp_path / name).write_text(text, encoding="ascii")
    (tmp_path / "key").chmod(mode)
    seen = look({name: str(tmp_path / name) for name in ("certificate", "key")})
    assert seen["key_open"] is is_open
    assert seen["certificate_has_key"] is True
    assert seen["certificate"] == GOOD  # and not the key that is in the same file


def test_files_that_are_not_there_are_told(tmp_path: Path) -> None:
    seen = look({name: str(tmp_path / name) for name in ("certificate", "key")})
    assert seen["certificate_problem"] == seen["key_problem"] == "no such file or directory"
