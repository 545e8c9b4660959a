# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""File system primitives of config_tree: copy, flush, recognise, exchange and remove whole directories."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator

Step = Callable[[str], None]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # renameat2(2): both names change places in one step, nobody ever sees neither


def exchange(left: str, right: str) -> None:
    """Let two paths of one file system change places atomically.

    Raises:
        OSError: EXDEV when overlayfs keeps one of them in a lower layer, EBUSY for a mount point.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (_AT_FDCWD, os.fsencode(left), _AT_FDCWD, os.fsencode(right), _RENAME_EXCHANGE)
    if libc.renameat2(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), left, None, right)


def fsync_path(path: str) -> None:
    """Make the content of one file, or the names in one directory, survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def walk(root: str, below: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Yield (relative path, lstat) of everything below root, parents first, in a fixed order."""
    for name in sorted(os.listdir(os.path.join(root, below))):
        path = os.path.join(below, name)
        info = os.lstat(os.path.join(root, path))
        yield path, info
        if stat.S_ISDIR(info.st_mode):
            yield from walk(root, path)


def fsync_tree(root: str, step: Step) -> None:
    """Flush every file and directory of a tree."""
    for path, info in walk(root):
        if not stat.S_ISLNK(info.st_mode):
            step("flush")
            fsync_path(os.path.join(root, path))
    fsync_path(root)


def fingerprint(root: str) -> str:
    """Return what tells this tree from another one; "" when it does not exist.

    Not the inode number: overlayfs may give a directory another one after a reboot
    (kernel documentation, overlayfs, "Inode properties").
    """
    if not os.path.isdir(root):
        return ""
    digest = hashlib.sha256()
    for path, info in walk(root):
        kind = stat.S_IFMT(info.st_mode)
        parts: list[object] = [kind, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid]
        if kind == stat.S_IFREG:
            parts += [info.st_size, info.st_mtime_ns]
        elif kind == stat.S_IFLNK:
            parts.append(os.readlink(os.path.join(root, path)))
        digest.update(os.fsencode(f"{path}\0{parts}\0"))
    return digest.hexdigest()


def copy_tree(source: str, target: str, step: Step) -> None:
    """Copy a directory with owners, modes, times, extended attributes and symbolic links as they are.

    Raises:
        OSError: EINVAL for a socket, pipe or device: a directory that holds one is not only a configuration.
    """
    os.mkdir(target, 0o700)
    for name in sorted(os.listdir(source)):
        step("stage.copy")
        old, new = os.path.join(source, name), os.path.join(target, name)
        mode = os.lstat(old).st_mode
        if stat.S_ISDIR(mode):
            copy_tree(old, new, step)
        elif stat.S_ISREG(mode) or stat.S_ISLNK(mode):
            shutil.copyfile(old, new, follow_symlinks=False)
            _copy_attributes(old, new)
        else:
            raise OSError(errno.EINVAL, "a socket, pipe or device; this directory is not only a configuration", old)
    _copy_attributes(source, target)


def _copy_attributes(old: str, new: str) -> None:
    info = os.lstat(old)
    os.chown(new, info.st_uid, info.st_gid, follow_symlinks=False)  # first: chown(2) clears set-id bits
    shutil.copystat(old, new, follow_symlinks=False)


def remove(path: str, step: Step) -> None:
    """Remove a file, link or directory with all it holds; no error when it is not there."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    step("remove")
    if not stat.S_ISDIR(mode):
        os.unlink(path)
        return
    for name in sorted(os.listdir(path)):
        remove(os.path.join(path, name), step)
    os.rmdir(path)


def write_new(path: str, content: bytes) -> None:
    """Create a file that only its owner can read. Raises OSError when the path exists."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)


def write_atomic(path: str, content: bytes, step: Step) -> None:
    """Replace a file so that a crash leaves the old or the new content, durable when this returns."""
    temporary = path + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    write_new(temporary, content)
    fsync_path(temporary)
    step("journal.write")
    os.rename(temporary, path)
    fsync_path(os.path.dirname(path))


def mount_points(path: str, table: str) -> list[str]:
    """Return the mount points at or below a path.

    Args:
        table: the text of /proc/self/mountinfo (proc(5): the fifth field is the mount point, octal escapes).
    """
    fields = (line.split() for line in table.splitlines())
    raw = [field[4] for field in fields if len(field) > 4]
    names = [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), name) for name in raw]
    return sorted({name for name in names if name == path or name.startswith(path + "/")})


def lock(directory: str, *, create: bool, timeout: float) -> int | None:
    """Take the exclusive lock on a working directory and return its open handle.

    Args:
        create: make the directory when it is missing; otherwise a missing one returns None (nothing to lock).
        timeout: seconds to wait for another run.

    Raises:
        TimeoutError: another run holds it.
        PermissionError: the directory belongs to somebody else or is open to others.
    """
    deadline = time.monotonic() + timeout
    while True:
        if create:
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, 0o700)
        try:
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            if create:
                continue
            return None
        info = os.fstat(handle)
        if info.st_uid != os.geteuid() or stat.S_IMODE(info.st_mode) & 0o077:
            os.close(handle)
            raise PermissionError(
                errno.EPERM, "not a private directory of this user; look at it, then remove it", directory
            )
        if _take(handle, deadline):
            # The run before us removes the directory when it is done: a lock on a removed directory locks nothing.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(directory), info):
                    return handle
            os.close(handle)
            continue
        os.close(handle)
        raise TimeoutError(errno.ETIMEDOUT, f"another run holds the lock for more than {timeout:g} s", directory)


def _take(handle: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
