# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE)
"""What two verdicts must share, and how a disagreement is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from postern_differential.cases import RELEASES, Case

Verdict = dict[str, Any]
_QUEUED = "queued as"


def essence(verdict: Mapping[str, Any]) -> Verdict:
    """The part of a verdict, real or simulated, that must agree; the queue id is a matter of chance."""
    stages = []
    for stage in verdict["stages"]:
        text = stage["text"]
        if _QUEUED in text:
            text = text[: text.index(_QUEUED) + len(_QUEUED)]
        stages.append([stage["stage"], stage["recipient"], stage["code"], stage["dsn"], text])
    return {"fatal": bool(verdict["fatal"]), "crash": bool(verdict["crash"]), "stages": stages}


def simulated(case: Case, release: str) -> Verdict:
    """What the simulator says, whole."""
    # Here, so that smtpd can be asked while the engine is being worked on.
    from ansible_collections.postern.mail.plugins.plugin_utils._policy.policy import Policy
    from ansible_collections.postern.mail.plugins.plugin_utils._policy.simulate.engine import simulate

    policy = Policy.of(dict(case.params), version=RELEASES[release], tables=dict(case.tables), master=case.master)
    return simulate(policy, case.model_session(), dict(case.dns)).as_dict()


def side_by_side(real: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Both essences, stage by stage; lines that differ are marked."""
    lines = []
    for key in ("fatal", "crash"):
        if real[key] != ours[key]:
            lines.append(f"! {key}: real {real[key]}, simulated {ours[key]}")
    for index in range(max(len(real["stages"]), len(ours["stages"]))):
        pair = [_line(verdict["stages"], index) for verdict in (real, ours)]
        if pair[0] == pair[1]:
            lines.append(f"  {pair[0]}")
        else:
            lines += [f"! real      {pair[0]}", f"! simulated {pair[1]}"]
    return "\n".join(lines)


def _line(stages: list[Any], index: int) -> str:
    if index >= len(stages):
        return "(nothing)"
    stage, recipient, code, dsn, text = stages[index]
    return f"{stage:7} {recipient or '':24} {code} {dsn or ''} {text}"
