# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Password hashes, made on the controller so that no password ever travels to the server."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

# libsodium's "interactive" limits, which Dovecot's ARGON2ID uses, and well above the OWASP minimum (19 MiB, 2 passes):
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
MEMORY_KIB = 65536
PASSES = 2
LANES = 1
HASH_BYTES = 32
SALT_BYTES = 16

# What crypt(3) and other tools print, and the scheme it is.
_CRYPT_PREFIXES = {
    "$argon2id$": "ARGON2ID",
    "$argon2i$": "ARGON2I",
    "$2y$": "BLF-CRYPT",
    "$2b$": "BLF-CRYPT",
    "$2a$": "BLF-CRYPT",
    "$6$": "SHA512-CRYPT",
    "$5$": "SHA256-CRYPT",
    "$y$": "CRYPT",  # yescrypt, what Debian's mkpasswd makes; crypt(3) of every supported release knows it
}
# Schemes of Dovecot 2.3 and 2.4 that are made to be slow (https://doc.dovecot.org/main/core/config/auth/schemes.html).
_FORMATS = {
    "ARGON2ID": r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+",
    "ARGON2I": r"\$argon2i\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+",
    "BLF-CRYPT": r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}",
    "SHA512-CRYPT": r"\$6\$(rounds=\d+\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}",
    "CRYPT": r"\$y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}",
    "SHA256-CRYPT": r"\$5\$(rounds=\d+\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43}",
}

Derive = Callable[[bytes, bytes], bytes]
MISSING_LIBRARY = (
    "hashing passwords needs the Python library argon2-cffi on the controller, or cryptography 44 or newer; "
    "install one (pip install argon2-cffi, on Debian: apt install python3-argon2), or give password_hash instead"
)


class NoHashLibraryError(RuntimeError):
    """Neither library that computes Argon2id is installed on the controller."""


def _with_cryptography() -> Derive:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    def derive(password: bytes, salt: bytes) -> bytes:
        kdf = Argon2id(salt=salt, length=HASH_BYTES, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB)
        return bytes(kdf.derive(password))

    try:  # the class exists even where the OpenSSL below it is older than 3.2 and cannot do it
        Argon2id(salt=bytes(SALT_BYTES), length=HASH_BYTES, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB)
    except UnsupportedAlgorithm as error:
        raise ImportError(str(error)) from error
    return derive


def _with_argon2_cffi() -> Derive:
    from argon2.low_level import Type, hash_secret_raw

    def derive(password: bytes, salt: bytes) -> bytes:
        return bytes(
            hash_secret_raw(
                password,
                salt,
                time_cost=PASSES,
                memory_cost=MEMORY_KIB,
                parallelism=LANES,
                hash_len=HASH_BYTES,
                type=Type.ID,
            )
        )

    return derive


@functools.lru_cache(maxsize=1)
def _library() -> Derive:
    for backend in (_with_cryptography, _with_argon2_cffi):
        try:
            return backend()
        except ImportError:
            continue
    raise NoHashLibraryError(MISSING_LIBRARY)


def can_hash() -> bool:
    """Whether this controller can compute Argon2id; nothing is hashed to find out."""
    try:
        _library()
    except NoHashLibraryError:
        return False
    return True


def salt_for(address: str, site_salt: str) -> bytes:
    """The salt of an account: the same on every run, so that a second run changes nothing; each address has its own.

    It is made from the address, never from the password: a salt that depends on the password would be a fast hash of
    it, printed beside the slow one.

    :param site_salt: any text (mail_password_salt), mixed in so that two servers with the same user differ
    """
    return hmac.new(site_salt.encode(), address.encode(), hashlib.sha256).digest()[:SALT_BYTES]


@functools.lru_cache(maxsize=4096)
def hash_password(password: str, salt: bytes) -> str:
    """``{ARGON2ID}$argon2id$...`` in the format of ``doveadm pw``; a fifth of a second the first time in a process.

    :raises NoHashLibraryError: see :func:`can_hash`
    """
    digest = _library()(password.encode(), salt)
    encoded = [base64.b64encode(part).decode().rstrip("=") for part in (salt, digest)]
    return f"{{ARGON2ID}}$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${encoded[0]}${encoded[1]}"


def hash_passwords(accounts: Sequence[tuple[str, str]]) -> list[str]:
    """Hash many at once: both libraries let other threads work meanwhile.

    :param accounts: pairs of password and the account's salt as hexadecimal digits
    """
    _library()
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda account: hash_password(account[0], bytes.fromhex(account[1])), accounts))


def with_scheme(password_hash: str) -> str:
    """A given hash in Dovecot's form: ``$6$...`` becomes ``{SHA512-CRYPT}$6$...``; one with a scheme stays as it is."""
    for prefix, scheme in _CRYPT_PREFIXES.items():
        if password_hash.startswith(prefix):
            return f"{{{scheme}}}{password_hash}"
    return password_hash


def hash_problem(password_hash: str) -> str:
    """Why a given hash is refused, or an empty string. The hash itself is never in the answer."""
    match = re.fullmatch(r"\{([A-Za-z0-9.-]+)\}(.*)", with_scheme(password_hash), re.DOTALL)
    if not match:
        return "it is not a password hash"
    scheme = match[1].upper()
    if scheme == "CRYPT" and not match[2].startswith("$y$"):
        crypt = with_scheme(match[2])
        return hash_problem(crypt) if crypt != match[2] else "the scheme {CRYPT} hides a weak hash"
    if scheme not in _FORMATS:
        return f"the scheme {{{scheme}}} is too weak or unknown: whoever reads it soon has the password"
    if not re.fullmatch(_FORMATS[scheme], match[2]):
        return f"after {{{scheme}}} there is no complete hash of that scheme"
    return ""
