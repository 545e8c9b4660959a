# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program openssl, asked by modules: the one tool for keys that every host has."""

from __future__ import annotations

import subprocess


class Problem(Exception):
    """What cannot be done, in words for the user."""


def openssl(*arguments: str, data: bytes | None = None) -> bytes:
    """:raises Problem: it failed, or is not there"""
    try:
        done = subprocess.run(["openssl", *arguments], input=data, capture_output=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Problem(f"openssl: {error}") from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise Problem(f"openssl {arguments[0]}: {words[-1] if words else done.returncode}")
    return done.stdout
