# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""``bin/lab``: the command line of the laboratory."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable

from postern_lab import lifecycle, views
from postern_lab.ansible import ansible_environment, playbook_command
from postern_lab.containers import container_name
from postern_lab.engine import find_engine
from postern_lab.images import build_images
from postern_lab.model import lab_names, load_lab
from postern_lab.project import ROOT, LabError
from postern_lab.state import load_subnets, load_trust


def main(argv: list[str] | None = None) -> int:
    """Run one command of the laboratory; returns the exit status."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.function
    try:
        return command(arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; the same command again goes on from here", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bin/lab", description="Drive the laboratory: mail servers and a world.")
    parser.add_argument("--lab", default=os.environ.get("POSTERN_LAB", "demo"), help="which lab (default: demo)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "up", _up, "make the lab ready; quick when it is")
    down = _add(commands, "down", _down, "remove its containers, network and state")
    down.add_argument("--images", action="store_true", help="remove the images too")
    _add(commands, "images", _images, "build the images of all labs")
    _add(commands, "status", _status, "show the hosts; exit status 1 unless all run")
    _add(commands, "json", _json, "describe the lab for a test from outside")
    inventory = _add(commands, "inventory", _inventory, "Ansible dynamic inventory")
    inventory.add_argument("--list", action="store_true", help="all hosts (the default)")
    inventory.add_argument("--host", help="variables of one host")
    execute = _add(commands, "exec", _exec, "run a command in a host: exec HOST -- COMMAND")
    execute.add_argument("host", metavar="HOST")
    execute.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER)
    converge = _add(commands, "converge", _converge, "run playbooks/site.yml against the lab")
    converge.add_argument("words", metavar="ANSIBLE-PLAYBOOK-ARGUMENT", nargs=argparse.REMAINDER)
    return parser


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: Callable[[argparse.Namespace], int],
    explanation: str,
) -> argparse.ArgumentParser:
    # The arguments of other programs may begin with a dash, and -h is theirs as well.
    passes_on = name in ("exec", "converge")
    parser = commands.add_parser(name, help=explanation, description=explanation, add_help=not passes_on)
    if passes_on:
        parser.prefix_chars = "\0"
    parser.set_defaults(function=function)
    return parser


def _up(arguments: argparse.Namespace) -> int:
    lifecycle.up(find_engine(), load_lab(arguments.lab))
    return 0


def _down(arguments: argparse.Namespace) -> int:
    lifecycle.down(find_engine(), arguments.lab, images=arguments.images)
    return 0


def _images(arguments: argparse.Namespace) -> int:
    build_images(find_engine(), tuple(host for name in lab_names() for host in load_lab(name).hosts))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    rows, well = lifecycle.status(find_engine(), load_lab(arguments.lab))
    table = [("HOST", "HOSTNAME", "ADDRESSES", "CONTAINER", "SYSTEMD"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(5)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0 if well else 1


def _json(arguments: argparse.Namespace) -> int:
    lab = load_lab(arguments.lab)
    print(json.dumps(views.describe(lab, lifecycle.subnets_of(lab)), indent=2))
    return 0


def _inventory(arguments: argparse.Namespace) -> int:
    lab = load_lab(arguments.lab)
    inventory = views.inventory(lab, load_subnets(lab.name), load_trust(lab.name))
    if arguments.host:
        inventory = inventory["_meta"]["hostvars"].get(arguments.host, {})
    print(json.dumps(inventory, indent=2))
    return 0


def _exec(arguments: argparse.Namespace) -> int:
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        raise LabError("exec needs a command: bin/lab exec HOST -- COMMAND")
    lab = load_lab(arguments.lab)
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    container = container_name(lab.name, lab.host(arguments.host).name)
    command = find_engine().command("exec", "--interactive", *terminal, container, *words)
    os.execvp(command[0], command)


def _converge(arguments: argparse.Namespace) -> int:
    lab = load_lab(arguments.lab)
    lifecycle.up(find_engine(), lab)
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    command = playbook_command(words)
    os.chdir(ROOT)
    os.execve(command[0], command, ansible_environment(lab.name))
