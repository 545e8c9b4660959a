# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the roles declare: their variables, and whether a host's values fit."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.postern.mail.plugins.plugin_utils._mistakes import Mistake, did_you_mean, listed, shown
from ansible_collections.postern.mail.plugins.plugin_utils._plain import UNKNOWN

# Judges one value by one option's flat specification, as ansible-core's ArgumentSpecValidator does; returns its words.
Check = Callable[[Mapping[str, Any], Any], list[str]]

_TYPE_NAMES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a dictionary (key: value)",
    "path": "a path",
}
_EXAMPLES = {"int": "10", "float": "1.5", "bool": "true", "path": "/path/to/file"}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C parser is ten times faster
    """YAML with Ansible's own tags read as text."""


for _tag in ("!vault", "!unsafe"):
    _Loader.add_constructor(_tag, lambda loader, node: str(node.value))


@dataclass(frozen=True)
class Role:
    """One role of the collection, as far as its variables go.

    :param options: its argument specification, empty where it has none
    :param defaults: raw values of its defaults, templates included
    :param names: all public variables it knows: defaults, vars and options
    """

    name: str
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    names: frozenset[str] = frozenset()


# Roles that are no features: they make no daemon, and nobody switches them on.
ALWAYS = frozenset({"mail", "dns"})
# Read by the playbooks themselves, before any role.
_REPORT_INPUTS = (
    "days",
    "directory",
    "formats",
    "source",
    "files",
    "minimum_days",
    "minimum_hosts",
    "config_directory",
)
_PLAYBOOK_INPUTS = frozenset({"mail_hosts", *(f"postscreen_report_{name}" for name in _REPORT_INPUTS)})


@dataclass(frozen=True)
class Collection:
    """What the collection declares as a whole.

    :param roles: by name
    :param play_variables: names that its own playbooks set
    """

    roles: dict[str, Role]
    play_variables: frozenset[str] = frozenset()

    @classmethod
    def read(cls, root: Path) -> Collection:
        """:param root: directory with the collection's ``roles`` and ``playbooks``"""
        roles = {path.name: _read_role(path) for path in sorted((root / "roles").iterdir()) if path.is_dir()}
        plays = [play for path in sorted((root / "playbooks").glob("*.yml")) for play in _read_yaml(path) or []]
        return cls(roles, frozenset(name for play in plays for name in play.get("vars") or {}))

    @functools.cached_property
    def features(self) -> frozenset[str]:
        """Roles that a user may switch on."""
        return frozenset(self.roles) - ALWAYS

    @functools.cached_property
    def defaults(self) -> dict[str, Any]:
        return {name: value for role in self.roles.values() for name, value in role.defaults.items()}

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """All variables that somebody here reads or publishes."""
        return _PLAYBOOK_INPUTS.union(self.play_variables, *(role.names for role in self.roles.values()))

    @property
    def prefixes(self) -> list[str]:
        return [f"{name}_" for name in self.roles]


def _read_role(path: Path) -> Role:
    defaults = _merged(path / "defaults")
    specs = path / "meta" / "argument_specs.yml"
    main = ((_read_yaml(specs) or {}).get("argument_specs") or {}).get("main") if specs.exists() else None
    options = (main or {}).get("options") or {}
    names = frozenset(name for name in {*defaults, *_merged(path / "vars"), *options} if not name.startswith("_"))
    return Role(path.name, options, defaults, names)


def _merged(directory: Path) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for path in [directory / "main.yml", *sorted((directory / "main").glob("*.yml"))]:
        if path.exists():
            merged.update(_read_yaml(path) or {})
    return merged


def _read_yaml(path: Path) -> Any:
    with path.open(encoding="utf-8") as stream:
        return yaml.load(stream, Loader=_Loader)  # a SafeLoader, and two tags that give text


def check_options(options: Mapping[str, Any], values: Mapping[str, Any], check: Check) -> list[Mistake]:
    """Mistakes of a host's values in the variables a role declares.

    :param values: evaluated values by variable; a variable that could not be evaluated is not among them
    """
    mistakes: list[Mistake] = []
    for variable, spec in options.items():
        if variable in values:
            walker = _Walker(variable, check)
            mistakes += walker.value(spec, values[variable], "", required=bool(spec.get("required")), top=True)
    return mistakes


def is_secret(spec: Mapping[str, Any]) -> bool:
    """Whether an option or anything inside it is marked no_log."""
    return bool(spec.get("no_log")) or any(is_secret(sub) for sub in (spec.get("options") or {}).values())


@dataclass
class _Walker:
    """Walks one variable's value beside its specification and knows at each point where it is."""

    variable: str
    check: Check

    def mistake(self, rule: str, element: str, reason: str, fix: str, value: str = "") -> Mistake:
        return Mistake(rule=rule, variable=self.variable, element=element, reason=reason, fix=fix, value=value)

    def value(
        self, spec: Mapping[str, Any], value: Any, element: str, *, required: bool = False, top: bool = False
    ) -> list[Mistake]:
        kind = str(spec.get("type", "str"))
        if value is UNKNOWN:
            return []
        if value is None:
            return self._empty(spec, element, kind) if required or top else []
        wrong = self._wrong_type(kind, value, spec, element)
        if wrong:
            return [wrong]
        if kind == "list":
            return list(self._list(spec, value, element))
        if kind == "dict":
            return list(self._dict(spec, value, element))
        return self._scalar(spec, kind, value, element)

    def _empty(self, spec: Mapping[str, Any], element: str, kind: str) -> list[Mistake]:
        if not spec.get("required") and spec.get("default", "") is None:
            return []
        fix = {"list": "Write [] for an empty list, or remove the line", "dict": "Write {}, or remove the line"}.get(
            kind, "Give it a value, or remove the line"
        )
        return [self.mistake("empty", element, "it has no value (null)", fix)]

    def _wrong_type(self, kind: str, value: Any, spec: Mapping[str, Any], element: str) -> Mistake | None:
        """What ansible-core would silently convert, though templates see the value as it was written."""
        secret = is_secret(spec)
        seen = "" if secret else shown(value)
        container = isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str))
        if kind == "list" and (isinstance(value, str | Mapping) or not container):
            items = [part.strip() for part in value.split(",")] if isinstance(value, str) else ["..."]
            example = "..." if secret or spec.get("elements") == "dict" else ", ".join(items)
            name = element.rpartition(".")[2] or self.variable
            fix = (
                f"Write: {name}: [{example}]"
                if example != "..."
                else f"Begin each element of {name} on its own line with a hyphen"
            )
            return self.mistake("type", element, f"it must be a list, and it is {_kind_of(value)}", fix, seen)
        if kind == "dict" and not isinstance(value, Mapping):
            keys = listed(spec.get("options") or {})
            fix = f"Write key: value pairs with the keys {keys}" if keys else "Write key: value pairs"
            return self.mistake("type", element, f"it must be a dictionary, and it is {_kind_of(value)}", fix, seen)
        if kind not in ("list", "dict", "raw", "json", "jsonarg") and container:
            reason = f"it must be {_TYPE_NAMES.get(kind, kind)}, and it is {_kind_of(value)}"
            return self.mistake("type", element, reason, "Write a single value", seen)
        if kind in ("str", "path", "int", "float") and isinstance(value, bool):
            reason = f"YAML reads yes, no, on and off without quotes as true or false, not as {_TYPE_NAMES[kind]}"
            return self.mistake("type", element, reason, "Put the value in quotes, if it is meant as text", seen)
        return None

    def _list(self, spec: Mapping[str, Any], value: Sequence[Any], element: str) -> Iterator[Mistake]:
        of = {key: spec[key] for key in ("choices", "options", "no_log") if key in spec} | {
            "type": spec.get("elements", "raw")
        }
        for index, item in enumerate(value):
            at = f"{element}[{index}]"
            if item is None and of["type"] != "raw":
                yield self.mistake("empty", at, "it has no value (null)", "Remove the empty element")
            else:
                yield from self.value(of, item, at)

    def _dict(self, spec: Mapping[str, Any], value: Mapping[str, Any], element: str) -> Iterator[Mistake]:
        options: Mapping[str, Mapping[str, Any]] = spec.get("options") or {}
        if not options:
            return
        # ansible-core's own words come last, where nothing better was found: it does not tell which element is wrong.
        found = False
        for key in value:
            if key not in options:
                found = True
                guess = did_you_mean(str(key), options, 0.6)
                fix = f"Known keys: {', '.join(sorted(options))}"
                yield self.mistake("unknown-key", f"{element}.{key}", f"there is no such key{guess}", fix)
        for key, sub in options.items():
            at = f"{element}.{key}"
            if key in value:
                for mistake in self.value(sub, value[key], at, required=bool(sub.get("required"))):
                    found = True
                    yield mistake
            elif sub.get("required"):
                found = True
                yield self.mistake("missing", at, "it is missing", f"Add a line: {key}: ...")
        if not found:
            known = {key: item for key, item in value.items() if item is not UNKNOWN}
            for message in self.check({**spec, "type": "dict"}, known) if len(known) == len(value) else []:
                yield self.mistake("type", element, message, "See the description of the variable in the role's README")

    def _scalar(self, spec: Mapping[str, Any], kind: str, value: Any, element: str) -> list[Mistake]:
        flat = {key: spec[key] for key in ("type", "choices", "no_log") if key in spec}
        if not self.check(flat, value):
            return []
        seen = "" if is_secret(spec) else shown(value)
        choices = [str(choice) for choice in spec.get("choices") or []]
        if choices and not self.check({"type": kind}, value):
            guess = did_you_mean(str(value), choices, 0.5)
            return [
                self.mistake("choice", element, f"there is no such choice{guess}", f"Choose {listed(choices)}", seen)
            ]
        reason = f"it must be {_TYPE_NAMES.get(kind, kind)}"
        fix = f"Write for example: {_EXAMPLES[kind]}" if kind in _EXAMPLES else f"Write {_TYPE_NAMES.get(kind, kind)}"
        return [self.mistake("type", element, reason, fix, seen)]


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Mapping):
        return "a dictionary"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, Sequence) else "a number"
