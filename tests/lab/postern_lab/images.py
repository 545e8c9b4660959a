# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Container images, made from Debian's own archive by mmdebstrap: no registry, no mirror named here."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from postern_lab.engine import Engine, root_prefix
from postern_lab.model import Host
from postern_lab.project import LAB_DIR, LabError, say

REPOSITORY = "localhost/postern-lab"
_IMAGES = LAB_DIR / "images"
# Seconds before each further attempt at an image: mirrors fail for a moment.
_PAUSES = (10, 60)


def mmdebstrap_arguments(kind: str, suite: str) -> list[str]:
    """mmdebstrap's arguments, but for the target, for an image of ``kind`` (server, world, smtpd) from ``suite``."""
    packages = yaml.safe_load((_IMAGES / "packages.yml").read_text(encoding="utf-8"))
    proxy = os.environ.get("POSTERN_APT_PROXY")
    return [
        "--variant=apt",
        "--format=tar",
        f"--include={','.join([*packages['base'], *packages[kind]])}",
        # Mirrors of the testing suite can be weeks behind; an image for tests does not mind.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=Acquire::Languages "none"',
        *([f'--aptopt=Acquire::http::Proxy "{proxy}"'] if proxy else []),
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        f'--customize-hook={_IMAGES / "customize"} "$1"',
        suite,
    ]


def image_tag(kind: str, suite: str) -> str:
    """Name of the image; a hash of everything it is made from is in it, so that a change makes another image."""
    inputs = "\0".join(mmdebstrap_arguments(kind, suite)).replace(str(LAB_DIR), "")
    digest = hashlib.sha256(inputs.encode() + (_IMAGES / "customize").read_bytes()).hexdigest()[:8]
    return f"{REPOSITORY}:{kind}-{suite}-{digest}"


def build_images(engine: Engine, hosts: tuple[Host, ...]) -> None:
    """Build the images of ``hosts`` that are missing, two at a time. Raises LabError with mmdebstrap's words."""
    _build_missing(engine, {image_tag(host.kind, host.suite): (host.kind, host.suite) for host in hosts})


def ensure_image(engine: Engine, kind: str, suite: str) -> str:
    """The name of one image, which is built if it is missing. Raises LabError with mmdebstrap's words."""
    tag = image_tag(kind, suite)
    _build_missing(engine, {tag: (kind, suite)})
    return tag


def remove_images(engine: Engine) -> None:
    """Remove every image of every lab; containers of other checkouts keep theirs."""
    for tag in engine.text("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines():
        if tag.startswith(f"{REPOSITORY}:"):
            removed = engine.run("rmi", tag, check=False).returncode == 0
            say(f"image {tag} {'removed' if removed else 'kept: it is in use'}")


def _build_missing(engine: Engine, wanted: dict[str, tuple[str, str]]) -> None:
    if not _missing(engine, wanted):
        return
    with _build_lock():
        missing = _missing(engine, wanted)  # another checkout may have built them while we waited
        with ThreadPoolExecutor(max_workers=2) as pool:
            for future in [pool.submit(_build, engine, *wanted[tag]) for tag in missing]:
                future.result()


def _missing(engine: Engine, wanted: dict[str, tuple[str, str]]) -> list[str]:
    return [tag for tag in wanted if engine.run("image", "inspect", tag, check=False).returncode != 0]


def _build(engine: Engine, kind: str, suite: str) -> None:
    tag = image_tag(kind, suite)
    started = time.monotonic()
    say(f"building image {tag} from Debian {suite}; about a minute")
    # mmdebstrap writes a tar file and only a complete one is imported: an interrupted build leaves no image.
    with tempfile.TemporaryDirectory(prefix="postern-image-", dir="/var/tmp") as directory, _ticker(tag, started):
        tarball = Path(directory) / "root.tar"
        arguments = mmdebstrap_arguments(kind, suite)
        command = [*root_prefix(), "env", "TMPDIR=/var/tmp", "mmdebstrap", *arguments, str(tarball)]
        for pause in (*_PAUSES, None):
            completed = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            if completed.returncode == 0 or pause is None:
                break
            say(f"building {tag} failed, once more in {pause} s: {_last_words(completed, 3)}")
            tarball.unlink(missing_ok=True)
            time.sleep(pause)
        if completed.returncode != 0:
            raise LabError(f"mmdebstrap could not build {tag}:\n{_last_words(completed, 25)}")
        engine.run("import", str(tarball), tag)
    say(f"image {tag} is ready after {time.monotonic() - started:.0f} s")


def _last_words(completed: subprocess.CompletedProcess[bytes], lines: int) -> str:
    return "\n".join(completed.stderr.decode(errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def _ticker(tag: str, started: float) -> Iterator[None]:
    """Say every 15 seconds that the build goes on."""
    done = threading.Event()

    def tick() -> None:
        while not done.wait(15):
            say(f"  still building {tag.split(':')[1]} ({time.monotonic() - started:.0f} s)")

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextlib.contextmanager
def _build_lock() -> Iterator[None]:
    """Images are shared between checkouts: one builds, the others wait and find them."""
    with (Path(tempfile.gettempdir()) / f"postern-lab-images-{os.geteuid()}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another checkout that is building images")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
