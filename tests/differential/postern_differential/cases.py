# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""Cases: a policy, what it stands on, and a session; read from the YAML of the corpus and written back."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Session

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
RECORDED = CORPUS / "recorded"
RELEASES: Mapping[str, str] = {"bookworm": "3.7", "trixie": "3.10", "testing": "3.11"}
"""Suite of Debian -> the version of its Postfix."""

_SESSION = Session().as_dict()


@dataclass(frozen=True)
class Case:
    """One question to smtpd. ``session`` is complete, as ``Session.as_dict``."""

    name: str
    params: Mapping[str, Any]
    session: Mapping[str, Any]
    master: Any = None
    tables: Mapping[str, Any] = field(default_factory=dict)
    dns: Mapping[str, Any] = field(default_factory=dict)
    releases: tuple[str, ...] = tuple(RELEASES)

    @property
    def policy(self) -> tuple[Any, ...]:
        """What must be equal for two sessions to be held with one process, which remembers what the DNS told it."""
        return (repr(self.params), repr(self.master), repr(self.tables), repr(self.dns), self.session["service"])

    def model_session(self) -> Session:
        """The session as the simulator takes it."""
        return Session(**{**self.session, "rcpts": tuple(self.session["rcpts"])})


def complete(session: Mapping[str, Any]) -> dict[str, Any]:
    """A session with every attribute. Raises ValueError for an attribute that there is not."""
    unknown = session.keys() - _SESSION.keys()
    if unknown:
        raise ValueError(f"a session has no {', '.join(sorted(unknown))}")
    return {**_SESSION, **session}


@functools.cache
def world() -> Mapping[str, Any]:
    """What is common to most of the corpus: parameters, DNS, and a client."""
    document: Mapping[str, Any] = yaml.safe_load((CORPUS / "world.yaml").read_text(encoding="utf-8"))
    return document


def load(paths: Iterable[Path] | None = None) -> list[Case]:
    """The cases of the files, by default of the whole corpus. Raises ValueError for a case that is no case."""
    found: list[Case] = []
    for path in paths or sorted(CORPUS.glob("*.yml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        base, own = world() if document.get("world") else {}, document.get("common", {})
        common = {**own, **{key: {**base.get(key, {}), **own.get(key, {})} for key in ("params", "dns", "session")}}
        for entry in document["cases"]:
            found += _cases(path.stem, entry, common)
    names = [case.name for case in found]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise ValueError(f"two cases of one name: {', '.join(sorted(doubled))}")
    return found


def _cases(stem: str, entry: Mapping[str, Any], common: Mapping[str, Any]) -> list[Case]:
    """One case for each session of an entry; what is ``common`` to the file comes first."""
    known = {"name", "about", "params", "master", "tables", "dns", "session", "sessions", "releases"}
    if entry.keys() - known:
        raise ValueError(f"{stem}: {entry.get('name')}: unknown keys {', '.join(sorted(entry.keys() - known))}")
    merged = {key: {**common.get(key, {}), **(entry.get(key) or {})} for key in ("params", "tables", "dns")}
    # null takes a parameter away that the file gives to all.
    merged["params"] = {name: value for name, value in merged["params"].items() if value is not None}
    name = f"{stem}: {entry['name']}"
    sessions: Sequence[Mapping[str, Any]] = entry.get("sessions") or [entry.get("session") or {}]
    first = Case(
        name,
        session={},
        master=entry.get("master", common.get("master")),
        releases=tuple(entry.get("releases", RELEASES)),
        **merged,
    )
    return [
        replace(
            first,
            name=name if len(sessions) == 1 else f"{name} ({number})",
            session=complete({**common.get("session", {}), **session}),
        )
        for number, session in enumerate(sessions, 1)
    ]


def dump(cases: Sequence[Case]) -> str:
    """The cases as YAML, ready to be pasted into the corpus."""
    entries = []
    for case in cases:
        session = {key: value for key, value in case.session.items() if value != _SESSION[key]}
        entry: dict[str, Any] = {"name": case.name, "params": dict(case.params)}
        entry |= {key: value for key in ("master", "tables", "dns") if (value := getattr(case, key))}
        entry["session"] = session
        if case.releases != tuple(RELEASES):
            entry["releases"] = list(case.releases)
        entries.append(entry)
    return yaml.safe_dump(entries, sort_keys=False, width=110, allow_unicode=True)
