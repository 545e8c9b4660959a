# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A verdict in plain words: what happens, which element decides, what was asked before it, and why."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postern.mail.plugins.plugin_utils._policy.ask.log_line import LogLine
from ansible_collections.postern.mail.plugins.plugin_utils._policy.data import catalogue
from ansible_collections.postern.mail.plugins.plugin_utils._policy.model import Decision, Session, Stage, Step, Verdict

_WIDTH = 100
_RESULTS: Mapping[str, str] = {
    "dunno": "no decision",
    "permit": "LETS PASS",
    "reject": "REFUSES",
    "defer": "PUTS OFF",
    "discard": "THROWS AWAY",
    "defer_if_permit": "would put off if nothing refuses",
    "defer_if_reject": "would put off what is refused",
    "warn": "only logs",
    "skip": "not asked",
    "crash": "BREAKS THE CONNECTION",
}
_COMMANDS: Mapping[str, str] = {
    "CONNECT": "(connects)",
    "HELO": "EHLO {helo}",
    "MAIL": "MAIL FROM:<{sender}>",
    "RCPT": "RCPT TO:<{recipient}>",
    "DATA": "DATA",
    "EOD": "(message, then a line with a dot)",
    "VRFY": "VRFY {vrfy}",
    "ETRN": "ETRN {etrn}",
}
_WHEN: Mapping[str, str] = {
    "CONNECT": "when it connects",
    "HELO": "when it greets (HELO or EHLO)",
    "MAIL": "when it names the sender (MAIL FROM)",
    "RCPT": "when it names the recipient (RCPT TO)",
    "DATA": "when it wants to send the message (DATA)",
    "EOD": "after it has sent the message",
    "VRFY": "when it asks for an address (VRFY)",
    "ETRN": "when it asks for a delivery run (ETRN)",
}


def reply(stage: Stage) -> str:
    """The line that the client sees."""
    if not stage.code:
        return "(no answer: the connection breaks)"
    return " ".join(part for part in (str(stage.code), stage.dsn or "", stage.text) if part)


def decisive(verdict: Verdict) -> Stage | None:
    """The stage that settled the session: the first that was not accepted, else the last but one to name a decision."""
    bad = [stage for stage in verdict.stages if stage.action != "permit"]
    if bad:
        return bad[0]
    decided = [stage for stage in verdict.stages if stage.stage == "RCPT"]
    return (decided or list(verdict.stages))[-1] if verdict.stages else None


def place(decision: Decision | Step) -> str:
    """``rule 2 of smtpd_client_restrictions``, counted from 1."""
    if decision.index is None:
        return decision.parameter
    return f"rule {decision.index + 1} of {decision.parameter}"


def dialogue(session: Session, verdict: Verdict) -> dict[str, Any]:
    """The session as client and server speak it, and the steps to its decision, for the page."""
    if verdict.fatal:
        lines = [{"client": "(connects)", "server": "(nobody answers: smtpd does not start)", "tone": "bad"}]
        return {"lines": lines, "steps": []}
    lines = [
        {"client": command(session, stage), "server": reply(stage), "tone": _tone(stage)} for stage in verdict.stages
    ]
    stage = decisive(verdict)
    steps = [_page_step(step, stage.decided_by) for step in stage.trail] if stage else []
    return {"lines": lines, "steps": steps}


def command(session: Session, stage: Stage) -> str:
    """What the client says in a stage."""
    values = {name: value or "" for name, value in session.as_dict().items()}
    values["recipient"] = stage.recipient or ""
    text = _COMMANDS.get(stage.stage, stage.stage).format_map(values)
    return text if session.ehlo else text.replace("EHLO", "HELO")


def _tone(stage: Stage) -> str:
    if stage.action == "permit":
        return "good"
    return "later" if 400 <= stage.code < 500 else "bad"


def _page_step(step: Step, decision: Decision | None) -> dict[str, Any]:
    return {
        "element": step.element,
        "place": place(step),
        "depth": step.depth,
        "words": _step_words(step),
        "decides": _decides(step, decision),
    }


def _decides(step: Step, decision: Decision | None) -> bool:
    return decision is not None and (step.parameter, step.index) == (decision.parameter, decision.index)


def _step_words(step: Step) -> str:
    result = _RESULTS.get(step.result, step.result)
    return f"{result}: {step.why}" if step.why else result


@dataclass(frozen=True, slots=True)
class Question:
    """What is explained.

    :param host: inventory name
    :param version: of Postfix
    :param line: the log line that is asked about
    :param lines: main.cf parameter -> line
    """

    host: str
    version: str
    session: Session
    line: LogLine | None = None
    lines: Mapping[str, int] | None = None


def explain(question: Question, verdict: Verdict, advice: Sequence[str] = (), said: Sequence[str] = ()) -> str:
    """The whole answer as text for a terminal.

    :param advice: what could be changed, one sentence or two each
    :param said: what was assumed before the simulation
    """
    parts = [
        _about(question),
        *_comparison(question, verdict),
        ("What happens", list(_happens(question.session, verdict))),
        ("Which rule decides", list(_decision(question, verdict))),
        ("What was asked on the way", list(_trail(verdict))),
        ("What could be changed", [f"- {line}" for line in advice]),
        ("What this assumes", [f"- {line}" for line in dict.fromkeys([*said, *verdict.assumptions])]),
    ]
    blocks = [f"{title}\n" + "\n".join(_wrap(line) for line in lines) for title, lines in parts if lines]
    return "\n\n".join(blocks)


def _wrap(line: str) -> str:
    bullet = line.lstrip().startswith(("- ", *(f"{n}." for n in range(1, 10))))
    indent = "  " + " " * (len(line) - len(line.lstrip())) + ("  " if bullet else "")
    return textwrap.fill(line, _WIDTH, initial_indent="  ", subsequent_indent=indent, break_long_words=False)


def _about(question: Question) -> tuple[str, list[str]]:
    session = question.session
    reverse = session.reverse if session.reverse != "unknown" else ""
    name = f"no name of its own (reverse name: {reverse})" if reverse else "no name"
    lines = [
        f"client      {session.addr}, {name if session.name == 'unknown' else session.name}",
        f"greets as   {session.helo or '(does not greet)'}",
        f"logged in   {'as ' + session.login if session.login else 'no'}",
        f"sender      <{session.sender or ''}>",
        *(f"recipient   <{recipient}>" for recipient in session.rcpts),
        f"service     {session.service}",
    ]
    return f"{question.host}, Postfix {question.version}", lines


def _comparison(question: Question, verdict: Verdict) -> Iterator[tuple[str, list[str]]]:
    """Whether the configuration still gives the reply of the log line."""
    line = question.line
    if line is None:
        return
    logged = " ".join(part for part in (str(line.code or ""), line.dsn, line.text) if part)
    yield "The log says", [logged, *_same(line, verdict)]


def _same(line: LogLine, verdict: Verdict) -> list[str]:
    if line.program == "postscreen":
        return ["postscreen decided this, before smtpd and its restriction lists."]
    if line.action in ("milter-reject", "proxy-reject"):
        return ["A milter or content filter decided this, not the restriction lists. See its own log."]
    stages = [stage for stage in verdict.stages if stage.action != "permit"]
    stage = stages[0] if stages else None
    if line.action == "reject_warning":
        return ["warn_if_reject stands before the rule: it was logged, and the client noticed nothing."]
    if stage is None:
        return [
            "The configuration of today accepts it, as far as can be told. Something was changed since, or one of the "
            "assumptions below is wrong."
        ]
    if (stage.code, stage.text) == (line.code, line.text):
        return ["The configuration of today still answers so."]
    if stage.code == line.code and stage.dsn == line.dsn:
        return ["The configuration of today still refuses it with that code; the words differ."]
    return [f"The configuration of today answers otherwise: {reply(stage)}"]


def _happens(session: Session, verdict: Verdict) -> Iterator[str]:
    if verdict.fatal:
        yield f"Nothing is accepted from anybody: smtpd does not start. {verdict.reason}"
        return
    stage = decisive(verdict)
    if stage is None:
        yield "The client says nothing."
    elif verdict.crash or stage.action == "crash":
        yield f"The connection breaks {_WHEN[stage.stage]}. {verdict.reason}"
    elif stage.action == "permit":
        yield "The mail is accepted." if session.data else "The recipient is accepted."
    elif stage.action == "discard":
        yield "The server says yes and throws the mail away. Nobody is told."
    else:
        later = 400 <= stage.code < 500
        yield f"The client is {'put off' if later else 'refused'} {_WHEN[stage.stage]}. It sees:"
        yield f"    {reply(stage)}"
        yield (
            "An honest server tries again, for days; a mail program shows an error at once."
            if later
            else "It does not try again: its user gets a bounce or an error."
        )


def _decision(question: Question, verdict: Verdict) -> Iterator[str]:
    stage = decisive(verdict)
    decision = stage.decided_by if stage else None
    if verdict.fatal or stage is None:
        return
    if decision is None:
        yield "No rule: every list came to its end, and the end of a list lets pass."
        return
    line = (question.lines or {}).get(decision.parameter)
    where = place(decision) + (f" (main.cf line {line})" if line else "")
    yield f"{where[0].upper()}{where[1:]}{': ' + decision.element if decision.element else ''}"
    restriction = (
        catalogue.lookup(decision.element.removeprefix("warn_if_reject ").split(" ")[0]) if decision.element else None
    )
    if restriction is not None:
        yield f"    which is to {restriction.summary}."


def _trail(verdict: Verdict) -> Iterator[str]:
    stage = decisive(verdict)
    if stage is None:
        return
    current = ""
    for step in stage.trail:
        if step.depth == 0 and step.parameter != current:
            current = step.parameter
            yield current
        indent = "  " * (step.depth + 1)
        mark = " <-- decides" if _decides(step, stage.decided_by) else ""
        yield f"{indent}{step.index + 1}. {step.element}: {_step_words(step)}{mark}"
