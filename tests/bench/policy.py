"""What reading and judging a policy costs, by its length: seconds for 1,000 and 10,000 words, and their ratio.

The ratio is to be about 10: no part of the parser or the linter may cost more than its share as lists grow. Fails when
10,000 words take a second or more, or when the ratio says that something is not linear.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".ansible" / "collections"))

from ansible_collections.postern.mail.plugins.plugin_utils._policy import linter
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data import catalogue
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data.catalogue import Argument
from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
from ansible_collections.postern.mail.plugins.plugin_utils._policy.read import words

FEW, MANY = 1_000, 10_000
MOST_SECONDS = 1.0
MOST_RATIO = 20.0
REPEATS = 3
_ARGUMENTS = {
    Argument.TABLE: "lmdb:/etc/postfix/clients-{0}",
    Argument.DOMAIN: "list{0}.example.org",
    Argument.POLICY_SERVICE: "unix:private/policy-{0}",
    Argument.SECONDS: "5",
}


def sensible(number: int) -> str:
    """A list of restrictions that exist, with arguments that could."""
    random.seed(number)
    known = [each for each in catalogue.RESTRICTIONS.values() if each.works_in((3, 10)) and each.name != "permit"]
    found: list[str] = []
    while len(found) < number:
        entry = random.choice(known)
        found.append(entry.name)
        if entry.takes_argument:
            found.append(_ARGUMENTS[entry.argument].format(len(found)))
    return ", ".join(found[:number])


def nonsense(number: int) -> str:
    """Words that are none, each another."""
    return " ".join(f"reject_unknown_thing{place}" for place in range(number))


def bytes_of_all_kinds(number: int) -> str:
    """Braces, colons, dollars and blanks without sense."""
    random.seed(number)
    return " ".join(random.choice(["{", "}", "a:", ":b", "$$", "permit", "warn_if_reject", "#"]) for _ in range(number))


def judge(text: str) -> None:
    """Parse and lint a policy whose recipient list is the text."""
    policy = Policy.of({"smtpd_recipient_restrictions": text, "compatibility_level": "3.6"})
    words.canonical(policy.settings().elements("smtpd_recipient_restrictions"))
    linter.lint(policy)


def seconds(text: str) -> float:
    """Processor seconds of the quickest of several runs: what else the machine does is not counted."""
    times = []
    for _ in range(REPEATS):
        begin = time.process_time()
        judge(text)
        times.append(time.process_time() - begin)
    return min(times)


def main() -> int:
    kinds: list[tuple[str, Callable[[int], str]]] = [
        ("restrictions", sensible),
        ("misspelt words", nonsense),
        ("fragments", bytes_of_all_kinds),
    ]
    judge("reject_unauth_destination")
    print(f"{'parse and lint':16} {FEW:>8} words {MANY:>8} words    ratio")
    slow = False
    for name, make in kinds:
        few, many = seconds(make(FEW)), seconds(make(MANY))
        slow = slow or many >= MOST_SECONDS or many / few > MOST_RATIO
        print(f"{name:16} {few:>12.3f} s {many:>12.3f} s {many / few:>8.1f}")
    if slow:
        print(
            f"too slow: {MANY} words must take less than {MOST_SECONDS} s, and at most {MOST_RATIO} times {FEW} words"
        )
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
