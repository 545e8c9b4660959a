# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Facts about the running Dovecot: processes, sockets, sandbox, files, and whose sessions a change ends."""

from __future__ import annotations

import contextlib
import imaplib
import re
from collections.abc import Iterator

import pytest
from dialogue.clients import send_in
from dialogue.imap import Mailbox
from dialogue.lab import Server
from dialogue.message import new_token
from dialogue.sieve import ManageSieve

APPLY = "/usr/local/lib/postern/dovecot-apply"


def test_configuration_gives_no_warning(server: Server) -> None:
    assert server.shell("doveconf -n 2>&1 >/dev/null") == ""


def test_file_that_an_upgrade_drops_into_conf_d_is_not_read(server: Server) -> None:
    dropped = "/etc/dovecot/conf.d/99-test.conf"
    with contextlib.ExitStack() as stack:
        stack.callback(server.shell, f"rm -f {dropped}")
        server.shell(f"mkdir -p /etc/dovecot/conf.d; echo 'no_such_setting = 1' > {dropped}")
        assert server.run("doveconf", "-n", check=False).returncode == 0


def test_unit_is_sandboxed(server: Server) -> None:
    verdict = server.shell("systemd-analyze security --no-pager dovecot.service | tail -1")
    found = re.search(r"level for dovecot\.service: ([\d.]+)", verdict)
    assert found and float(found[1]) <= 2.8, verdict


def test_master_cannot_write_outside_its_directories(server: Server) -> None:
    """The sandbox holds: seen from inside it, not in the unit's text."""
    inside = "nsenter --mount --target $(cat /run/dovecot/master.pid)"
    for path, writable in {
        "/etc/dovecot": False,
        "/usr": False,
        "/root": False,
        "/var/vmail": True,
        "/run/dovecot": True,
    }.items():
        done = server.run("bash", "-c", f"{inside} touch {path}/.probe && {inside} rm {path}/.probe", check=False)
        assert (done.returncode == 0) is writable, path


def test_deliveries_never_run_as_root(server: Server) -> None:
    send_in(server, server.account("alice").address)
    server.wait_until("delivery", 'test -z "$(postqueue -j)"')
    users = server.shell(
        "ps -o user=,args= --ppid $(cat /run/dovecot/master.pid) | awk '/(lmtp|quota-status)/ {print $1}' | sort -u"
    )
    assert users == "vmail"


def test_login_processes_have_no_rights(server: Server) -> None:
    with Mailbox(server, "alice"):
        users = server.shell("ps -C imap-login,managesieve-login -o user= | sort -u")
    assert users == "dovenull"


SOCKETS = {
    "smtp-lmtp": "postfix postfix 600",
    "smtp-auth": "postfix postfix 600",
    "smtp-quota-status": "postfix postfix 600",
    "auth-userdb": "vmail dovecot 600",
}


@pytest.mark.parametrize("name", SOCKETS)
def test_socket_is_for_its_client_alone(server: Server, name: str) -> None:
    assert server.shell(f"stat -c '%U %G %a' /run/dovecot/{name}") == SOCKETS[name]


def test_local_users_cannot_deliver_past_postfix(server: Server) -> None:
    """Dovecot's own LMTP socket is open to everybody by default."""
    assert server.run("test", "-e", "/run/dovecot/lmtp", check=False).returncode != 0


@pytest.mark.parametrize("name", ["passwords", "mailboxes", "aliases"])
def test_account_files_are_for_dovecot_alone(server: Server, name: str) -> None:
    assert server.shell(f"stat -c '%U %G %a' /etc/dovecot/{name}") == "root dovecot 640"


def test_passwords_are_hashed(server: Server) -> None:
    entries = [line for line in server.shell("grep -v '^#' /etc/dovecot/passwords").splitlines() if line]
    assert entries
    assert [entry.split(":")[0] for entry in entries if not re.match(r"[^:]+:\{[A-Z0-9.-]+\}\S{30,}$", entry)] == []


def test_users_are_the_mailboxes_and_not_their_aliases(server: Server) -> None:
    users = set(server.shell("doveadm user '*'").split())
    alice = server.account("alice")
    assert alice.address in users
    assert users & set(alice.aliases) == set()


def test_mail_belongs_to_the_mail_user(server: Server) -> None:
    strangers = server.shell("find /var/vmail ! -user vmail -o ! -group vmail -o -type d -perm /077 | head -5")
    assert strangers == ""


def test_folder_names_may_contain_dots(server: Server) -> None:
    with Mailbox(server, "bob") as mailbox:
        name = f'"Lists/{new_token()}.example.org"'
        try:
            assert mailbox.client.create(name)[0] == "OK"
            assert name.strip('"') in mailbox.folders()
        finally:
            mailbox.client.delete(name)


def test_greetings_name_no_product(server: Server) -> None:
    with Mailbox(server, "alice") as mailbox:
        words = mailbox.client.welcome.decode()
    with ManageSieve(server) as sieve:
        words += " ".join(value for name, value in sieve.capabilities.items() if name != "VERSION")  # of the protocol
    assert not re.search(r"dovecot|pigeonhole|debian|\d\.\d", words, re.IGNORECASE), words


def test_imap_id_tells_nothing(server: Server) -> None:
    """RFC 2971: a client may ask before it has logged in."""
    with Mailbox(server, "alice") as mailbox:
        mailbox.client.xatom("ID", "NIL")
        assert mailbox.client.response("ID")[1] == [b"NIL"]


def test_deliveries_at_a_time_are_twice_what_postfix_can_send(server: Server) -> None:
    """Dovecot counts recipients: each of Postfix's connections may carry many, all for one mailbox (user+1, user+2)."""
    accepted = server.shell("doveconf -h lmtp_user_concurrency_limit")
    connections, recipients = (
        int(server.shell(f"postconf -hx lmtp_destination_{name}_limit")) for name in ("concurrency", "recipient")
    )
    assert int(accepted) >= 2 * connections * recipients


@pytest.fixture
def rehearsal(server: Server) -> Iterator[str]:
    """A copy of the configuration and of what is known to be applied, to apply with changes that never go live."""
    copy = server.shell("mktemp -d")
    server.shell(f"cp -a /etc/dovecot {copy}/dovecot; cp -a /var/lib/dovecot/postern-applied.json {copy}/state.json")
    yield copy
    server.shell(f"rm -r {copy}")


def alive(mailbox: Mailbox) -> bool:
    try:
        return bool(mailbox.client.noop()[0] == "OK")
    except (imaplib.IMAP4.abort, OSError):
        return False


def test_changed_password_ends_the_sessions_of_its_owner_only(server: Server, rehearsal: str) -> None:
    alice = server.account("alice").address
    with Mailbox(server, "alice") as changed, Mailbox(server, "bob") as other:
        server.shell(f"{APPLY} {rehearsal}/dovecot --state {rehearsal}/state.json")
        assert (alive(changed), alive(other)) == (True, True), "nothing changed"
        server.shell(f"sed -i 's/^{re.escape(alice)}:/&x/' {rehearsal}/dovecot/passwords")
        server.shell(f"{APPLY} {rehearsal}/dovecot --state {rehearsal}/state.json")
        assert (alive(changed), alive(other)) == (False, True)


def test_disabled_account_loses_its_sessions(server: Server, rehearsal: str) -> None:
    alice = server.account("alice").address
    with Mailbox(server, "alice") as disabled:
        server.shell(f"sed -i '/^{re.escape(alice)}:/d' {rehearsal}/dovecot/passwords")
        server.shell(f"{APPLY} {rehearsal}/dovecot --state {rehearsal}/state.json")
        assert not alive(disabled)


def test_disabled_account_still_receives(server: Server) -> None:
    """Its owner may be on leave; what arrives is theirs, or for whoever takes over."""
    users = set(server.shell("doveadm user '*'").split())
    logins = {line.split(":")[0] for line in server.shell("grep -v '^#' /etc/dovecot/passwords").splitlines()}
    disabled = sorted(users - logins)
    assert disabled, "the lab has a disabled account"
    token = send_in(server, disabled[0])
    server.wait_until("delivery", f"doveadm search -u {disabled[0]} mailbox INBOX SUBJECT {token} | grep .")
