"""What a run of site.yml costs, against the least it could cost, measured side by side in one run.

- A cold run against `apt-get install` of the same packages and the start of their services.
- A second run against a bare `ansible -m ping`.
- Ten hosts against one.

Prints a table and writes tests/output/bench.json: seconds, tasks and ratios. The ratios are the result; the seconds
belong to the machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LAB = [str(ROOT / "bin/lab"), "--lab", "bench"]
OUTPUT = ROOT / "tests/output/bench.json"
REPEATS = 3
SERVICES = ["postfix", "dovecot"]


def run(command: Sequence[str], **environment: str) -> tuple[float, str]:
    """Seconds it took and what it printed; an exit status other than 0 ends the benchmark."""
    begin = time.perf_counter()
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **environment}
    )
    seconds = time.perf_counter() - begin
    if finished.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{finished.stdout[-4000:]}\n{finished.stderr[-4000:]}")
    return seconds, finished.stdout


def on(host: str, *command: str) -> tuple[float, str]:
    return run([*LAB, "exec", host, "--", *command])


def converge(*hosts: str) -> tuple[float, dict[str, Any]]:
    """Seconds, and the run as Ansible's JSON callback tells it."""
    seconds, text = run([*LAB, "converge", "--limit", ",".join(hosts)], ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
    return seconds, json.loads(text[text.index("{") :])


def median(command: Sequence[str], **environment: str) -> float:
    return sorted(run(command, **environment)[0] for _ in range(REPEATS))[REPEATS // 2]


def tasks_by_role(report: dict[str, Any]) -> dict[str, int]:
    names = [task["task"]["name"] for play in report["plays"] for task in play["tasks"]]
    roles = Counter(name.split(" : ")[0].removeprefix("postern.mail.") if " : " in name else "play" for name in names)
    return dict(sorted(roles.items()))


def changed(report: dict[str, Any]) -> int:
    return sum(int(host["changed"]) for host in report["stats"].values())


def install_by_hand(host: str, packages: Sequence[str]) -> float:
    """The floor of a cold run: what apt needs for the same packages, and their services started."""
    command = "apt-get update -q && apt-get install -qy --no-install-recommends " + " ".join(packages)
    command += " && systemctl start " + " ".join(SERVICES)
    return on(host, "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", command)[0]


def manual_packages(host: str) -> set[str]:
    return set(on(host, "apt-mark", "showmanual")[1].split())


def main() -> int:
    print("A laboratory of bare machines ...", file=sys.stderr, flush=True)
    run([*LAB, "down"])
    run([*LAB, "up"])
    hosts = [host["name"] for host in json.loads(run([*LAB, "json"])[1])["hosts"] if host["kind"] == "server"]
    by_hand, first, *others = hosts

    print(f"A cold run on {first}, and the same packages by hand on {by_hand} ...", file=sys.stderr, flush=True)
    before = manual_packages(first)
    cold, report = converge(first)
    floor = install_by_hand(by_hand, sorted(manual_packages(first) - before))
    print(f"  {cold:.1f} s against {floor:.1f} s", file=sys.stderr, flush=True)

    print(f"Second runs on {first} ...", file=sys.stderr, flush=True)
    second_runs = [converge(first) for _ in range(REPEATS)]
    second = sorted(seconds for seconds, _ in second_runs)[REPEATS // 2]
    inventory = str(ROOT / "tests/lab/inventory")
    ansible = str(ROOT / ".venv/bin/ansible")
    ping = median([ansible, "-i", inventory, first, "-m", "ansible.builtin.ping"], POSTERN_LAB="bench")

    print(f"  {second:.1f} s against {ping:.1f} s for a ping", file=sys.stderr, flush=True)

    ten = [first, *others]
    print(f"All {len(ten)} hosts, cold and again ...", file=sys.stderr, flush=True)
    converge(*others)
    many = sorted(converge(*ten)[0] for _ in range(REPEATS))[REPEATS // 2]

    result = {
        "seconds": {
            "cold": cold,
            "cold_floor": floor,
            "second": second,
            "second_floor": ping,
            f"second_{len(ten)}_hosts": many,
        },
        "ratios": {"cold": cold / floor, "second": second / ping, f"{len(ten)}_hosts": many / second},
        "tasks": tasks_by_role(report),
        "changed_by_second_run": changed(second_runs[0][1]),
    }
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    table(result, len(ten))
    run([*LAB, "down"])
    return 0


def table(result: dict[str, Any], count: int) -> None:
    seconds, ratios = result["seconds"], result["ratios"]
    rows = [
        (
            "cold run of site.yml",
            seconds["cold"],
            f"{ratios['cold']:.2f} x apt-get install and start ({seconds['cold_floor']:.1f} s)",
        ),
        (
            "second run",
            seconds["second"],
            f"{ratios['second']:.1f} x ansible -m ping ({seconds['second_floor']:.1f} s)",
        ),
        (f"second run, {count} hosts", seconds[f"second_{count}_hosts"], f"{ratios[f'{count}_hosts']:.1f} x one host"),
    ]
    print(f"{'':24}{'seconds':>8}")
    for name, value, ratio in rows:
        print(f"{name:24}{value:8.1f}  {ratio}")
    print("tasks: " + ", ".join(f"{role} {number}" for role, number in result["tasks"].items()))
    print(f"changed by the second run: {result['changed_by_second_run']}")


if __name__ == "__main__":
    sys.exit(main())
