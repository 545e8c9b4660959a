from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import argon2
import pytest
from ansible_collections.postern.mail.plugins.plugin_utils import _passwords
from ansible_collections.postern.mail.plugins.plugin_utils._passwords import (
    MISSING_LIBRARY,
    NoHashLibraryError,
    can_hash,
    hash_password,
    hash_passwords,
    hash_problem,
    salt_for,
    with_scheme,
)

SALT = salt_for("alice@example.org", "site")
# Computed with the reference implementation (argon2-cffi 25.1).
PARAMETERS = "$argon2id$v=19$m=65536,t=2,p=1$4DAot+VVqA04Zi+nRwfpbg$"
KNOWN = {
    "correct horse": f"{PARAMETERS}a6pZVAfKIT35+bfeei5Ttdw1vUzpcHQooHB6OlNVIAE",
    "pässword €": f"{PARAMETERS}r7OlJHIXEVAJ57N3Kl9aSS/d0gnx96HlsWdH7556nxg",
}
SHA512 = "hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0"
# Printed by crypt(3) and mkpasswd for "correct horse".
CRYPT = {
    "BLF-CRYPT": "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
    "SHA512-CRYPT": f"$6$saltsalt${SHA512}",
    "SHA256-CRYPT": "$5$saltsalt$myjXcpMpE2Ofk7fj9hqyNYSn6lmWG4Mqnjx.KIRRr4/",
    "CRYPT": "$y$j9T$abcdefgh$4mqd6JVlUo/.JMgenptcdPqIowfqDPoC9lSyWQhPMf1",
    "ARGON2ID": KNOWN["correct horse"],
}


@pytest.fixture
def fresh() -> Iterator[None]:
    """Nothing remembered from other tests."""
    _passwords._library.cache_clear()
    hash_password.cache_clear()
    yield
    _passwords._library.cache_clear()
    hash_password.cache_clear()


@pytest.mark.parametrize("password", KNOWN)
def test_the_hash_is_the_one_of_the_reference_implementation(password: str) -> None:
    assert hash_password(password, SALT) == "{ARGON2ID}" + KNOWN[password]


def test_the_reference_implementation_accepts_the_password_and_no_other() -> None:
    encoded = hash_password("a long enough password", SALT).removeprefix("{ARGON2ID}")
    assert argon2.PasswordHasher().verify(encoded, "a long enough password")
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        argon2.PasswordHasher().verify(encoded, "a long enough passwore")


@pytest.mark.usefixtures("fresh")
def test_both_libraries_make_the_same_hash() -> None:
    salt = bytes(range(16))
    digests = {
        backend()(b"correct horse", salt) for backend in (_passwords._with_cryptography, _passwords._with_argon2_cffi)
    }
    assert len(digests) == 1


@pytest.mark.usefixtures("fresh")
def test_without_cryptography_the_other_library_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.kdf.argon2", None)
    assert can_hash()
    assert hash_password("correct horse", SALT) == "{ARGON2ID}" + KNOWN["correct horse"]


@pytest.mark.usefixtures("fresh")
def test_without_any_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.kdf.argon2", None)
    monkeypatch.setitem(sys.modules, "argon2.low_level", None)
    assert not can_hash()
    with pytest.raises(NoHashLibraryError, match=r"pip install argon2-cffi.*password_hash"):
        hash_passwords([("correct horse", SALT.hex())])
    assert "correct horse" not in MISSING_LIBRARY


def test_the_salt_belongs_to_the_address_and_the_site() -> None:
    assert salt_for("alice@example.org", "site") == SALT
    assert len(SALT) == 16
    assert (
        len(
            {
                SALT,
                salt_for("bob@example.org", "site"),
                salt_for("alice@example.org", ""),
                salt_for("alice@example.org", "x"),
            }
        )
        == 4
    )


def test_two_users_with_one_password_have_different_hashes() -> None:
    accounts = [("correct horse", salt_for(f"{name}@example.org", "").hex()) for name in ("alice", "bob")]
    first, second = hash_passwords(accounts)
    assert first != second
    assert hash_passwords(accounts) == [first, second]


def test_a_hash_is_made_once_in_a_process() -> None:
    hash_password("once and for all", SALT)
    before = hash_password.cache_info()
    hash_password("once and for all", SALT)
    after = hash_password.cache_info()
    assert (after.hits, after.misses) == (before.hits + 1, before.misses)


@pytest.mark.parametrize(("scheme", "crypt"), CRYPT.items())
def test_a_hash_without_scheme_gets_its_own(scheme: str, crypt: str) -> None:
    assert with_scheme(crypt) == f"{{{scheme}}}{crypt}"
    assert hash_problem(crypt) == ""
    assert with_scheme(f"{{{scheme}}}{crypt}") == f"{{{scheme}}}{crypt}"
    assert hash_problem(f"{{{scheme}}}{crypt}") == ""
    assert hash_problem(f"{{CRYPT}}{crypt}") == ""


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("{PLAIN}correct horse", "weak"),
        ("{MD5}abcdef", "weak"),
        ("{PLAIN-MD5}abcdef", "weak"),
        ("{SSHA}abcdef", "weak"),
        ("{CRAM-MD5}abcdef", "weak"),
        ("{SHA512}abcdef", "weak"),
        ("{CRYPT}$1$saltsalt$NuzA7WTAelpl95xgBGWN60", "weak"),
        ("{CRYPT}ab1234567890.", "weak"),
        ("$1$saltsalt$NuzA7WTAelpl95xgBGWN60", "not a password hash"),
        ("correct horse", "not a password hash"),
        ("", "not a password hash"),
        ("{ARGON2ID}", "no complete hash"),
        ("{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$", "no complete hash"),
        ("{SHA512-CRYPT}" + CRYPT["SHA512-CRYPT"][:-1], "no complete hash"),
        ("{SHA512-CRYPT}" + CRYPT["BLF-CRYPT"], "no complete hash"),
        (CRYPT["SHA512-CRYPT"] + "\n", "no complete hash"),
        (CRYPT["SHA512-CRYPT"] + ":x", "no complete hash"),
    ],
)
def test_a_weak_or_broken_hash_is_refused_and_not_repeated(given: str, why: str) -> None:
    problem = hash_problem(given)
    assert why in problem
    secret = re.sub(r"^\{[^}]*\}", "", given).strip()
    assert not secret or secret not in problem
