# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What a run of config_tree does, what it refuses, and what it says."""

from __future__ import annotations

import os
import signal
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.module_utils import _tree_disk as disk
from ansible_collections.postern.mail.plugins.module_utils._tree import Result, TreeFailure
from ansible_collections.postern.mail.plugins.module_utils._tree_input import Command, InputErrors, MapSpec, TreeSpec
from tree_lab import Lab, file, snapshot

SECRET = "correct horse: battery-staple"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A directory with a former configuration."""
    return Lab(tmp_path / "lab")


def failure(lab: Lab, spec: TreeSpec, **options: Any) -> TreeFailure:
    """Run a task that must fail, and return how."""
    with pytest.raises(TreeFailure) as caught:
        lab.run(spec, **options)
    return caught.value


# -- success ----------------------------------------------------------------------------------------------------------


def test_everything_goes_live_and_is_reported(lab: Lab) -> None:
    result = lab.run()
    assert lab.live() == lab.new
    assert lab.loaded.read_text() == "new main\n"
    assert lab.leftovers() == []
    assert result.changed
    assert not result.repaired
    assert result.files == [
        {"path": "main.cf", "state": "changed"},
        {"path": "attributes", "state": "attributes"},
        {"path": "table", "state": "changed"},
        {"path": "sub/created", "state": "created"},
        {"path": "table.lmdb", "state": "changed"},
        {"path": "gone", "state": "removed"},
    ]


def test_second_run_touches_nothing_and_runs_nothing(lab: Lab) -> None:
    lab.run()
    before = snapshot(lab.root, times=True)
    result = lab.run(lab.task(apply=(Command(("false",)),), probe=(Command(("false",)),)))
    assert result == Result()
    assert snapshot(lab.root, times=True) == before


def test_unchanged_files_keep_their_time_and_unmanaged_ones_stay(lab: Lab) -> None:
    lab.run()
    for path in ("master.cf", "attributes", "keep/deep/by-hand"):
        assert (lab.dest / path).stat().st_mtime_ns == 10**18 + 1
    assert os.readlink(lab.dest / "by-hand.cf") == "keep/deep/by-hand"


def test_unmanaged_extended_attributes_stay(lab: Lab) -> None:
    os.setxattr(lab.dest / "keep/deep/by-hand", "user.note", b"mine")
    lab.run()
    assert os.getxattr(lab.dest / "keep/deep/by-hand", "user.note") == b"mine"


def test_dest_may_be_a_link(lab: Lab) -> None:
    link = lab.root / "link"
    link.symlink_to(lab.dest)
    lab.run(replace(lab.spec, dest=str(link)))
    assert link.is_symlink()
    assert lab.live() == lab.new


def test_managed_link_becomes_a_file_of_its_own(lab: Lab) -> None:
    (lab.dest / "main.cf").unlink()
    (lab.dest / "main.cf").symlink_to("keep/deep/by-hand")
    lab.run()
    assert lab.live() == lab.new


def test_exchange_is_one_step_of_the_kernel_and_durable_before(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.add(os.fstat(handle).st_ino))

    def exchange(left: str, right: str) -> None:
        inodes = {path.lstat().st_ino for path in Path(left).rglob("*") if not path.is_symlink()}
        assert inodes | {os.stat(left).st_ino} <= flushed
        flushed.clear()
        disk.exchange(left, right)

    lab.run(exchange=exchange)
    assert {lab.etc.stat().st_ino} <= flushed


def test_commands_get_a_clean_environment_and_no_input(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_CONFIG", "/nowhere")
    report = lab.root / "report"
    lab.run(lab.task(apply=(Command(("sh", "-c", f"env >{report}; cat >>{report}; umask >>{report}")),), probe=()))
    words = report.read_text()
    assert "LC_ALL=C.UTF-8" in words
    assert "MAIL_CONFIG" not in words
    assert words.endswith("0022\n")


def test_daemon_started_by_apply_is_not_waited_for(lab: Lab) -> None:
    pid = lab.root / "pid"
    lab.run(lab.task(apply=(Command(("sh", "-c", f"sleep 300 & echo $! >{pid}")),), probe=()))
    os.kill(int(pid.read_text()), signal.SIGTERM)  # ProcessLookupError if the run had waited for its end


def test_probe_is_repeated_until_it_succeeds(lab: Lab) -> None:
    counter = lab.root / "counter"
    probe = f'echo x >>{counter}; test "$(wc -l <{counter})" -ge 3'
    lab.run(lab.task(probe=(Command(("sh", "-c", probe)),), probe_timeout=60))
    assert counter.read_text() == "x\nx\nx\n"


# -- check mode and diff ----------------------------------------------------------------------------------------------


def test_check_mode_foresees_the_run_and_writes_nothing(lab: Lab) -> None:
    before = snapshot(lab.root, times=True)
    foreseen = lab.run(check_mode=True, diff=True)
    assert snapshot(lab.root, times=True) == before
    done = lab.run(diff=True)
    assert foreseen.files == done.files
    assert foreseen.diff == done.diff
    assert not lab.run(check_mode=True, diff=True).changed


def test_check_mode_before_the_package_is_installed(lab: Lab) -> None:
    spec = lab.task(file("users", "x", owner="no-such-user"), dest="/nonexistent/postern/mail", absent=())
    assert {entry["state"] for entry in lab.run(spec, check_mode=True).files} == {"created"}
    with pytest.raises(InputErrors, match="/nonexistent/postern does not exist"):
        lab.run(spec)


def test_diff_shows_content_and_attributes(lab: Lab) -> None:
    diff = {entry["after_header"].rpartition("/mail/")[2]: entry for entry in lab.run(check_mode=True, diff=True).diff}
    assert (diff["main.cf"]["before"], diff["main.cf"]["after"]) == ("old main\n", "new main\n")
    assert (diff["sub/created"]["before"], diff["sub/created"]["after"]) == ("", "created\n")
    assert diff["gone (absent)"]["before"] == "gone/\ngone/a.cf\n"
    assert "mode: 0644" in diff["attributes (attributes)"]["before"]
    assert "mode: 0600" in diff["attributes (attributes)"]["after"]
    assert "mode: 0640" in diff["table (attributes)"]["after"]
    assert "postmap lmdb:table" in diff["table.lmdb"]["after"]
    assert "attributes" not in diff


def test_diff_of_bytes_that_are_no_text(lab: Lab) -> None:
    (lab.dest / "main.cf").write_bytes(b"\xff\x00binary")
    entry = lab.run(diff=True).diff[0]
    assert entry["before"].startswith("(8 bytes that are no text")
    assert entry["after"] == "new main\n"


# -- secrets ----------------------------------------------------------------------------------------------------------


def test_secret_is_never_in_a_result(lab: Lab) -> None:
    (lab.dest / "password").write_text("former-secret\n")
    (lab.dest / "password").chmod(0o600)
    spec = lab.task(file("password", f"password = {SECRET}\n", 0o600, secret=True))
    for result in (lab.run(spec, check_mode=True, diff=True), lab.run(spec, diff=True)):
        assert "former-secret" not in repr(result)
        assert "battery" not in repr(result)
        assert {"path": "password", "state": "changed"} in result.files


def test_file_that_becomes_public_does_not_show_what_it_hid(lab: Lab) -> None:
    (lab.dest / "main.cf").chmod(0o600)
    assert "old main" not in repr(lab.run(diff=True))


def test_removed_private_file_is_not_shown(lab: Lab) -> None:
    (lab.dest / "main.cf").chmod(0o600)
    result = lab.run(TreeSpec(dest=str(lab.dest), absent=("main.cf", "master.cf")), diff=True)
    assert "old main" not in repr(result)
    assert "same master" in repr(result)


@pytest.mark.parametrize("stage", ["check", "apply", "probe"])
def test_secret_is_masked_where_a_program_quotes_it(lab: Lab, stage: str) -> None:
    (lab.dest / "password").write_text("password = former-secret\n")
    quote = Command(("sh", "-c", f"cat {{tree}}/password; echo 'bad value {SECRET}, former-secret' >&2; false"))
    spec = lab.task(file("password", f"password = {SECRET}\n", 0o600, secret=True))
    told = failure(lab, replace(spec, **{stage: (quote,)}, probe_timeout=0))
    shown = f"{told} {told.outcome}"
    assert "horse" not in shown
    assert "battery" not in shown
    assert "former-secret" not in shown
    assert "bad value ****" in told.message


def test_secret_file_is_private_from_its_first_moment(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    original = disk.write_new

    def write_new(path: str, content: bytes) -> None:
        original(path, content)
        modes.append(os.stat(path).st_mode & 0o777)
        assert os.stat(lab.etc / ".mail.postern").st_mode & 0o777 == 0o700

    monkeypatch.setattr(disk, "write_new", write_new)
    lab.run(lab.task(file("password", SECRET, 0o600, secret=True), maps=(), probe=()))
    assert set(modes) == {0o600}


# -- failure and the way back -----------------------------------------------------------------------------------------


def test_failing_check_leaves_everything_alone(lab: Lab) -> None:
    before = snapshot(lab.dest, times=True)
    check = Command(("sh", "-c", "echo on stdout; echo on stderr >&2; exit 7"))
    told = failure(lab, lab.task(check=(check,)))
    assert snapshot(lab.dest, times=True) == before
    assert lab.leftovers() == []
    assert (told.stage, told.rolled_back) == ("check", False)
    assert told.outcome is not None
    assert (told.outcome.rc, told.outcome.stdout, told.outcome.stderr) == (7, "on stdout\n", "on stderr\n")
    for word in ("check failed", "sh -c", "exit status 7", "on stdout", "on stderr", "is as it was"):
        assert word in told.message


def test_check_that_must_be_silent(lab: Lab) -> None:
    words = ("sh", "-c", "echo 'warning: unused parameter' >&2")
    lab.run(lab.task(check=(Command(words),)))
    told = failure(lab, lab.task(file("more", "x"), check=(Command(words, silent=True),)))
    assert "unused parameter" in told.message
    assert "must not write to stderr" in told.message
    assert lab.live() == lab.new


@pytest.mark.parametrize("fresh", [False, True])
def test_failing_apply_goes_back(tmp_path: Path, fresh: bool) -> None:
    lab = Lab(tmp_path / "lab", fresh=fresh)
    told = failure(lab, lab.task(file("refuse", "this")))
    assert lab.live() == lab.old
    assert lab.leftovers() == []
    assert told.rolled_back
    assert told.stage == "apply"
    assert "exit status 3" in told.message
    assert "I refuse this" in told.message
    assert "stdout of the daemon" in told.message
    if fresh:
        assert not lab.dest.exists()
        assert "did not exist before and is removed again, but to apply that failed too" in told.message
        assert "no main.cf" in told.message
    else:
        assert lab.loaded.read_text() == "old main\n"
        assert "The former configuration is back and applied" in told.message


def test_way_back_may_need_another_command(lab: Lab) -> None:
    note = Command(("sh", "-c", f"cat {{tree}}/main.cf >{lab.root}/restored"))
    told = failure(lab, lab.task(file("refuse", "this"), restore=(note,)))
    assert (lab.root / "restored").read_text() == "old main\n"
    assert "is back and applied" in told.message
    told = failure(lab, lab.task(file("refuse", "this"), restore=(Command(("false",)),)))
    assert "restore failed: `false` ended with exit status 1" in told.message
    assert lab.live() == lab.old


def test_daemon_is_told_that_its_first_drop_in_is_gone(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab", fresh=True)
    count = Command(("sh", "-c", f"ls {{tree}} 2>/dev/null | wc -l >>{lab.root}/applied"))
    told = failure(lab, lab.task(apply=(count,), probe=(Command(("false",)),), probe_timeout=0))
    assert (lab.root / "applied").read_text() == "6\n0\n"
    assert told.message.endswith("is removed again.")
    assert lab.leftovers() == []


def test_failing_probe_goes_back(lab: Lab) -> None:
    told = failure(lab, lab.task(probe=(Command(("sh", "-c", "echo nobody answers; exit 1")),), probe_timeout=0))
    assert lab.live() == lab.old
    assert lab.loaded.read_text() == "old main\n"
    assert (told.stage, told.rolled_back) == ("probe", True)
    assert "nobody answers" in told.message


def test_second_failing_apply_is_told_and_tried_again(lab: Lab) -> None:
    told = failure(lab, lab.task(apply=(Command(("sh", "-c", "echo dead >&2; exit 9")),)))
    assert lab.live() == lab.old
    assert told.message.count("9: dead") == 2
    assert "to apply that failed too" in told.message
    assert lab.leftovers() == [".mail.postern"]
    unchanged = replace(lab.task(), files=(), maps=(), absent=(), check=())
    assert lab.run(unchanged, check_mode=True).changed
    result = lab.run(unchanged)
    assert result.changed
    assert result.repaired
    assert result.files == []
    assert "ended before its configuration was applied" in result.notes[0]
    assert lab.leftovers() == []
    assert not lab.run(unchanged).changed


def test_killed_before_the_proof_then_unprovable_goes_back(lab: Lab) -> None:
    """The run that finds an unproved tree can still go back to the last proved one."""
    assert lab.killed(_step(lab, "probe")) == "probe"
    assert lab.live() == lab.new
    told = failure(lab, lab.task(probe=(Command(("false",)),), probe_timeout=0))
    assert told.rolled_back
    assert lab.live() == lab.old
    assert lab.leftovers() == []


def test_killed_before_the_proof_then_another_task_goes_back_to_what_was_proved(lab: Lab) -> None:
    lab.killed(_step(lab, "probe"))
    told = failure(lab, lab.task(file("more", "x"), probe=(Command(("false",)),), probe_timeout=0))
    assert told.rolled_back
    assert lab.live() == lab.old
    assert lab.loaded.read_text() == "old main\n"
    assert lab.leftovers() == []


def test_killed_while_going_back_to_nothing(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab", fresh=True)
    spec = lab.task(probe=(Command(("false",)),), probe_timeout=0)
    steps: list[str] = []
    dry = Lab(tmp_path / "dry", fresh=True)
    failure(dry, dry.task(probe=spec.probe, probe_timeout=0), step=steps.append)
    assert lab.killed(steps.index("rollback.apply") + 1, spec) == "rollback.apply"
    assert not lab.dest.exists()
    foreseen = lab.run(check_mode=True)
    assert not foreseen.repaired
    assert "is removed again" in failure(lab, spec).message
    assert lab.leftovers() == []


def test_killed_before_the_proof_says_so(lab: Lab) -> None:
    lab.killed(_step(lab, "probe"))
    lab.loaded.unlink()
    foreseen = lab.run(check_mode=True)
    assert (foreseen.changed, foreseen.repaired, foreseen.files) == (True, True, [])
    result = lab.run()
    assert (result.changed, result.repaired, result.files) == (True, True, [])
    assert "ended before its configuration was proved; it was applied and probed" in result.notes[0]
    assert lab.loaded.read_text() == "new main\n"


def test_edit_made_after_a_killed_run_survives(lab: Lab) -> None:
    lab.killed(_step(lab, "probe"))
    (lab.dest / "by-hand-later").write_text("mine")
    lab.run()
    assert (lab.dest / "by-hand-later").read_text() == "mine"


def _step(lab: Lab, name: str) -> int:
    names: list[str] = []
    Lab(lab.root / "dry").run(step=names.append)
    return names.index(name) + 1


def test_other_hands_at_the_same_time(lab: Lab) -> None:
    meddle = Command(("sh", "-c", f"echo edited >{lab.dest}/keep/deep/by-hand"))
    told = failure(lab, lab.task(check=(meddle,)))
    assert "was changed by somebody else" in told.message
    assert (lab.dest / "keep/deep/by-hand").read_text() == "edited\n"
    assert (lab.dest / "main.cf").read_text() == "old main\n"


def test_missing_program_is_found_before_anything_happens(lab: Lab) -> None:
    before = snapshot(lab.dest, times=True)
    told = failure(lab, lab.task(probe=(Command(("no-such-prober", "x")),), check=(Command(("no-such-checker",)),)))
    assert "not found on this host: no-such-checker, no-such-prober" in told.message
    assert snapshot(lab.dest, times=True) == before


def test_command_that_hangs_is_killed(lab: Lab) -> None:
    told = failure(lab, lab.task(apply=(Command(("sh", "-c", "sleep 60")),), command_timeout=1))
    assert "did not end within 1 s and was killed" in told.message
    assert lab.live() == lab.old


# -- maps -------------------------------------------------------------------------------------------------------------


def test_map_is_compiled_when_missing_or_older(lab: Lab) -> None:
    lab.run()
    (lab.dest / "table.lmdb").unlink()
    assert lab.run().files == [{"path": "table.lmdb", "state": "created"}]
    os.utime(lab.dest / "table.lmdb", ns=(1, 1))
    assert lab.run().files == [{"path": "table.lmdb", "state": "changed"}]
    assert lab.live() == lab.new
    assert not lab.run().changed


def test_map_is_never_missing(lab: Lab) -> None:
    """Neither while staging nor after: the compiled table is there at every step."""
    lab.run(step=lambda _name: os.stat(lab.dest / "table.lmdb") and None)


def test_map_of_a_source_that_is_not_managed(lab: Lab) -> None:
    spec = TreeSpec(dest=str(lab.dest), maps=(MapSpec("keep/deep/by-hand", "cdb", "postalias"),))
    assert lab.run(spec).files == [{"path": "keep/deep/by-hand.cdb", "state": "created"}]
    assert (lab.dest / "keep/deep/by-hand.cdb").read_text() == "compiled not ours\n"
    assert not lab.run(spec).changed


def test_map_is_as_private_as_its_source(lab: Lab) -> None:
    lab.run()
    (lab.dest / "table.lmdb").chmod(0o644)
    assert lab.run().files == [{"path": "table.lmdb", "state": "attributes"}]
    assert (lab.dest / "table.lmdb").stat().st_mode & 0o777 == 0o640


def test_map_of_a_source_from_the_future_is_compiled_once(lab: Lab) -> None:
    future = time.time_ns() + 10**12
    os.utime(lab.dest / "keep/deep/by-hand", ns=(future, future))
    spec = TreeSpec(dest=str(lab.dest), maps=(MapSpec("keep/deep/by-hand", "lmdb"),))
    assert lab.run(spec).changed
    assert not lab.run(spec).changed


def test_failing_map_leaves_everything_alone(lab: Lab) -> None:
    told = failure(lab, lab.task(files=(file("table", "broken\n"),)))
    assert "map failed" in told.message
    assert "fatal" in told.message
    assert lab.live() == lab.old
    assert lab.leftovers() == []


# -- two runs at once -------------------------------------------------------------------------------------------------


def test_another_run_is_waited_for_then_refused(lab: Lab) -> None:
    handle = disk.lock(str(lab.etc / ".mail.postern"), create=True, timeout=0)
    assert handle is not None
    told = failure(lab, replace(lab.spec, lock_timeout=1))
    assert "another run holds the lock" in told.message
    assert lab.live() == lab.old
    os.close(handle)
    lab.run()
    assert lab.live() == lab.new


def test_four_runs_at_once_change_it_once(lab: Lab) -> None:
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            code = 99
            try:
                code = 10 if lab.run(replace(lab.spec, lock_timeout=60)).changed else 20
            finally:
                os._exit(code)
        children.append(child)
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert codes == [10, 20, 20, 20]
    assert lab.live() == lab.new
    assert lab.leftovers() == []


# -- what a host can have against a task ------------------------------------------------------------------------------


def test_everything_wrong_with_the_host_is_told_at_once(lab: Lab) -> None:
    (lab.dest / "link").symlink_to("keep")
    before = snapshot(lab.root, times=True)
    spec = lab.task(
        file("a", "x", owner="no-such-user"),
        replace(file("b", "x"), group="no-such-group"),
        file("link/x", "x"),
        file("main.cf/x", "x"),
        file("keep", "x"),
        maps=(MapSpec("nowhere", "lmdb"),),
        absent=("link/deep",),
    )
    with pytest.raises(InputErrors) as caught:
        lab.run(spec)
    assert snapshot(lab.root, times=True) == before
    for words in (
        "a: owner 'no-such-user' does not exist",
        "b: group 'no-such-group' does not exist",
        "link/x: ",
        "is a symbolic link",
        "main.cf/x: ",
        "keep: is a directory",
        "maps (nowhere): is neither in files nor a file",
        "link/deep: ",
    ):
        assert any(words in error for error in caught.value.errors), words
    assert len(caught.value.errors) == 7


def test_dest_that_is_a_file(lab: Lab) -> None:
    with pytest.raises(InputErrors, match="is not a directory"):
        lab.run(replace(lab.spec, dest=str(lab.loaded)))


def test_dest_that_holds_a_socket(lab: Lab) -> None:
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(str(lab.dest / "socket"))
        assert "socket, pipe or device" in failure(lab, lab.spec).message
    assert (lab.dest / "main.cf").read_text() == "old main\n"


def test_mount_points_are_found_by_name() -> None:
    table = (
        "36 35 98:0 / / rw - ext4 /dev/root rw\n"
        "37 36 98:0 /x /etc/mail\\040server/certs rw - ext4 /dev/root rw\n"
        "38 36 98:0 /x /etc/mailman rw - ext4 /dev/root rw\n"
    )
    assert disk.mount_points("/etc/mail server", table) == ["/etc/mail server/certs"]
    assert disk.mount_points("/etc/mail", table) == []
    assert disk.mount_points("/etc/mailman", table) == ["/etc/mailman"]


@pytest.mark.parametrize("path", ["/proc", "/dev"])
def test_mount_point_is_refused(lab: Lab, path: str) -> None:
    for check_mode in (True, False):
        with pytest.raises(InputErrors, match="is a mount point"):
            lab.run(TreeSpec(dest=path), check_mode=check_mode)


def test_working_directory_of_somebody_else_is_not_trusted(lab: Lab) -> None:
    (lab.etc / ".mail.postern").mkdir(mode=0o777)
    (lab.etc / ".mail.postern").chmod(0o777)
    assert "not a private directory" in failure(lab, lab.spec).message
    assert lab.live() == lab.old


def test_journal_that_cannot_be_understood_stops_the_run(lab: Lab) -> None:
    (lab.etc / ".mail.postern").mkdir(mode=0o700)
    (lab.etc / ".mail.postern" / "state.json").write_text('{"intent"')
    assert "cannot be understood" in failure(lab, lab.spec).message
    assert lab.live() == lab.old


def test_file_system_that_cannot_exchange_is_named(lab: Lab) -> None:
    def exchange(left: str, right: str) -> None:
        raise OSError(22, "Invalid argument", left, None, right)

    told = failure(lab, lab.spec, exchange=exchange)
    assert "cannot exchange two directories" in told.message
    assert lab.live() == lab.old
    assert lab.leftovers() == []
