# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The people who connect: a stranger on port 25, and a user of the server who submits mail."""

from __future__ import annotations

from dialogue.lab import Account, Server
from dialogue.message import new_token, plain
from dialogue.smtp import TIMEOUT_SECONDS, Reply, Smtp

# Who the stranger says it is: a name and an address that exist in the lab's DNS and belong to nobody on a server.
HELO = "gateway.world.example"
FRIEND = "friend@world.example"


def stranger(server: Server, *, address: str = "", quiet: bool = False, timeout: float = TIMEOUT_SECONDS) -> Smtp:
    """A connection to port 25, greeted with EHLO; ``address`` chooses between the server's two."""
    client = Smtp(address or server.address, server.ports["smtp"], quiet=quiet, timeout=timeout)
    client.ehlo(HELO)
    return client


def submitter(
    server: Server, account: Account | str = "", *, service: str = "submission", helo: str = "laptop.invalid"
) -> Smtp:
    """A connection to 587 (``submission``) or 465 (``submissions``) over TLS; logged in when ``account`` is given."""
    client = Smtp(server.address, server.ports[service], implicit_tls=service == "submissions")
    client.ehlo(helo)
    if service == "submission":
        client.starttls(helo)
    if account:
        owner = server.account(account) if isinstance(account, str) else account
        reply = client.auth_plain(owner.address, owner.password)
        assert reply.code == 235, f"{owner.address} on {server.name}: {reply}"
    return client


def send_in(server: Server, recipient: str, message: bytes = b"", *, sender: str = FRIEND, address: str = "") -> str:
    """A stranger's message for ``recipient``, accepted; its token."""
    token = new_token()
    with stranger(server, address=address) as client:
        reply = client.transaction(sender, recipient, message or plain(token, sender, recipient))
    assert reply.code == 250, reply
    return token


def verdict(
    server: Server, sender: str, recipient: str, *, address: str = "", helo: str = HELO, raw: bool = False
) -> Reply:
    """The reply to a stranger's envelope: of the first command that is refused, or of RCPT.

    ``raw``: ``recipient`` is the whole of what stands after ``RCPT TO:``.
    """
    with Smtp(address or server.address, server.ports["smtp"]) as client:
        reply = client.ehlo(helo)
        if reply.code == 250:
            reply = client.mail(sender)
        if reply.code == 250:
            reply = client.say(f"RCPT TO:{recipient}") if raw else client.rcpt(recipient)
        return reply


def forget_clients(server: Server) -> None:
    """End Postfix's anvil(8), which holds all the counters; master(8) starts another when it is next needed."""
    server.shell("for pid in $(pgrep -x anvil -u postfix); do kill $pid; done")


def reload_postfix(server: Server) -> None:
    """Let Postfix take its configuration, and wait until those that answer first are new.

    ``postfix reload`` only tells master(8). Until it has acted, the postscreen(8) of before takes connections.
    """
    server.shell("""
        former=$(pgrep -x 'postscreen|dnsblog' || true)
        postfix reload 2>&1
        for pid in $former; do
            for try in $(seq 600); do kill -0 $pid 2> /dev/null || break; sleep 0.1; done
        done
        """)
