# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Domains that world sends from: every state of SPF, DKIM and DMARC that a receiver can meet, as records."""

from __future__ import annotations

from dataclasses import dataclass

# World writes this file when it first starts: the public halves of its keys, each at a selector of its name.
KEY_RECORDS = "/etc/lab/dkim/records"

# The laboratory's own senders: the machine that runs it, world, and world's clean address.
OURS = "a:gateway.world.example a:mail.world.example a:clean.world.example"
_ELSEWHERE = "a:elsewhere.world.example"  # exists, and is nobody here


@dataclass(frozen=True)
class Sender:
    """A sender domain; ``spf`` may be several records, ``dmarc`` is what follows ``v=DMARC1;``."""

    spf: tuple[str, ...] = (f"v=spf1 {OURS} -all",)
    dmarc: tuple[str, ...] = ()
    keys: bool = False
    subdomain: bool = False


SENDERS: dict[str, Sender] = {
    # DMARC: all of these are authorised by SPF for OURS, and have keys.
    "signed": Sender(dmarc=("p=reject",), keys=True, subdomain=True),
    "quarantine": Sender(dmarc=("p=quarantine",), keys=True, subdomain=True),
    "monitored": Sender(dmarc=("p=none",), keys=True, subdomain=True),
    "strict": Sender(dmarc=("p=reject; adkim=s; aspf=s",), keys=True, subdomain=True),
    "subreject": Sender(dmarc=("p=none; sp=reject",), keys=True, subdomain=True),
    "npreject": Sender(dmarc=("p=none; np=reject",), keys=True, subdomain=True),  # RFC 9989: names that do not exist
    "testmode": Sender(dmarc=("p=reject; t=y",), keys=True),  # RFC 9989: one level milder
    "twodmarc": Sender(dmarc=("p=reject", "p=none"), keys=True),  # two records are none
    "nodmarc": Sender(keys=True, subdomain=True),
    # Sends nothing, says so, and wants it enforced: whatever comes from it is forged.
    "unsigned": Sender(spf=("v=spf1 -all",), dmarc=("p=reject",), subdomain=True),
    # SPF alone (RFC 7208), by result.
    "spf-pass": Sender(),
    "spf-fail": Sender(spf=("v=spf1 -all",)),
    "spf-softfail": Sender(spf=("v=spf1 ~all",)),
    "spf-neutral": Sender(spf=("v=spf1 ?all",)),
    "spf-none": Sender(spf=()),
    "spf-ten": Sender(spf=("v=spf1 " + f"{_ELSEWHERE} " * 10 + "+all",)),  # as many lookups as are allowed: pass
    "spf-lookups": Sender(spf=("v=spf1 " + f"{_ELSEWHERE} " * 11 + "+all",)),  # one more: permerror
    "spf-two": Sender(spf=("v=spf1 +all", "v=spf1 -all")),  # permerror
    "spf-syntax": Sender(spf=("v=spf1 ip4:999.0.2.1 nonsense +all",)),  # permerror
    "spf-temperror": Sender(spf=("v=spf1 include:servfail.example -all",)),
    "spf-timeout": Sender(spf=("v=spf1 include:silent.dnsbl.example -all",)),  # temperror, after a while
}


def sender_domains() -> tuple[str, ...]:
    """Every domain of the table, and their subdomains."""
    names = [name for key, sender in SENDERS.items() for name in ((key, f"sub.{key}") if sender.subdomain else (key,))]
    return tuple(f"{name}.example" for name in names)


def sender_records(mail_host: str) -> str:
    """Records of all sender domains, relative to the zone ``example``; bounces to them go to ``mail_host``."""
    return "".join(_records(name, sender, mail_host) for name, sender in SENDERS.items())


def _records(name: str, sender: Sender, mail_host: str) -> str:
    texts = [(owner, spf) for owner in _owners(name, sender) for spf in sender.spf]
    texts += [(f"_dmarc.{name}", f"v=DMARC1; {dmarc}") for dmarc in sender.dmarc]
    return (
        "".join(f"{owner} MX 10 {mail_host}.\n" for owner in _owners(name, sender))
        + "".join(f"{owner} TXT {_strings(text)}\n" for owner, text in texts)
        + (f"$INCLUDE {KEY_RECORDS} {name}\n" if sender.keys else "")
    )


def _owners(name: str, sender: Sender) -> tuple[str, ...]:
    return (name, f"sub.{name}") if sender.subdomain else (name,)


def _strings(text: str) -> str:
    """A TXT record's value as strings of at most 255 octets (RFC 1035 3.3.14)."""
    return " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))
