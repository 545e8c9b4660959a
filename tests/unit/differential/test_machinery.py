# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""The differential tests' own parts: generator, shrinking, reading and writing of cases."""

from __future__ import annotations

from pathlib import Path

import pytest
from postern_differential.cases import Case, complete, dump, load
from postern_differential.compare import essence, side_by_side
from postern_differential.generate import cases
from postern_differential.shrink import shrink


def test_a_seed_gives_the_same_cases() -> None:
    assert list(cases(7, 40)) == list(cases(7, 40))
    assert list(cases(7, 40)) != list(cases(8, 40))
    assert len(list(cases(7, 41))) == 41


def test_generated_cases_survive_the_corpus(tmp_path: Path) -> None:
    made = list(cases(3, 30))
    path = tmp_path / "found.yml"
    path.write_text("cases:\n" + dump(made), encoding="utf-8")
    read = load([path])
    assert [(case.params, case.session, case.tables, case.dns) for case in read] == [
        (case.params, case.session, case.tables, case.dns) for case in made
    ]


def test_shrinking_keeps_what_matters_and_drops_the_rest() -> None:
    guilty = "reject_rbl_client dnsbl.example"
    case = Case(
        "case",
        {
            "myhostname": "mx1.example.org",
            "soft_bounce": "yes",
            "smtpd_client_restrictions": ["permit_mynetworks", guilty],
        },
        complete({"sender": "a@example.net", "rcpts": ["b@example.org", "c@example.org"], "data": True, "login": "x"}),
        tables={"hash:/etc/postfix/unused": "a OK\n"},
        dns={"dnsbl.example": {"A": ["127.0.0.2"]}, "other.example": "SERVFAIL"},
    )

    def disagrees(candidate: Case) -> bool:
        listed = guilty in candidate.params.get("smtpd_client_restrictions", [])
        return listed and "dnsbl.example" in candidate.dns and "c@example.org" in candidate.session["rcpts"]

    small = shrink(case, disagrees)
    assert small.params == {"myhostname": "mx1.example.org", "smtpd_client_restrictions": [guilty]}
    assert small.session == complete({"sender": "a@example.net", "rcpts": ["c@example.org"]})
    assert list(small.dns) == ["dnsbl.example"] and not small.tables


def test_a_session_with_an_attribute_that_there_is_not(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text("cases: [{name: x, session: {recipients: [a@example.org]}}]", encoding="utf-8")
    with pytest.raises(ValueError, match="a session has no recipients"):
        load([path])


def test_the_queue_id_does_not_matter_and_all_else_does() -> None:
    def verdict(text: str, code: int = 250) -> dict[str, object]:
        stage = {"stage": "EOD", "recipient": None, "code": code, "dsn": "2.0.0", "text": text}
        return {"fatal": False, "crash": False, "stages": [stage]}

    assert essence(verdict("Ok: queued as 12AB")) == essence(verdict("Ok: queued as 34CD"))
    real, ours = essence(verdict("Ok: queued as 12AB")), essence(verdict("Ok: queued as 12AB", 251))
    assert side_by_side(real, ours).count("!") == 2
