# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page, the text and JSON: complete, alone, and deaf to what is in a log."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import random
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.postern.mail.plugins.plugin_utils._screening import plots, terminal, view
from ansible_collections.postern.mail.plugins.plugin_utils._screening.judging import judge
from ansible_collections.postern.mail.plugins.plugin_utils._screening.model import Report
from ansible_collections.postern.mail.plugins.plugin_utils._screening.page import render
from observed import DAY, START, crowd, early, listed, mail, observe, spf

GOOD = "192.0.2.10"
LATER = START + 2 * DAY
EVIL = "</script><script>alert(1)</script><img/src=x/onerror=alert(1)>'\"&"


def report(**changes: Any) -> Report:
    bad = listed(LATER, "203.0.113.6", 4, "dnsbl.example")
    one = observe(crowd(), bad, early(LATER, GOOD), mail(LATER + 1, GOOD, "mx.example.net"), spf(LATER, GOOD))
    two = observe(listed(LATER, "203.0.113.9", 3, "other.example"), name="mx2")
    return judge("", [{**one, **changes}, two])


class Page(HTMLParser):
    """Tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _tag, attributes in self.tags if name in attributes]


def page_of(one: Report) -> str:
    return render(view.page_data(one, "2026-11-22 12:00 UTC"))


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(report())


def test_says_what_was_seen_and_what_to_do(page: str) -> None:
    text = html.unescape(page)
    for words in (
        "Enforcing would have stopped hosts that send you mail",
        '- {network: "192.0.2.10", comment: "mx.example.net, 1 message, seen 2026-11-08"}',
        "postscreen_greet_action",
        "Connections a day",
        "DNSBL rank",
        "Hosts stopped by threshold",
        "mx1, mx2",
    ):
        assert words in text


def test_needs_nothing_from_elsewhere(page: str) -> None:
    parsed = Page(page)
    outside = [value for name in ("src", "href", "action", "data", "xlink:href") for value in parsed.values(name)]
    assert [value for value in outside if not value.startswith("#")] == []
    assert "@import" not in page and "url(" not in page
    assert parsed.values("style") == []
    (policy,) = [attributes["content"] for tag, attributes in parsed.tags if attributes.get("http-equiv")]
    assert policy and policy.startswith("default-src 'none'; style-src 'sha256-")
    for tag in ("script", "style"):
        (body,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() in policy


def test_links_lead_somewhere_and_ids_are_unique(page: str) -> None:
    parsed = Page(page)
    ids = parsed.values("id")
    assert len(ids) == len(set(ids))
    wanted = {value[1:] for value in parsed.values("href")} | set(parsed.values("aria-labelledby"))
    assert wanted | set(parsed.values("data-copy")) <= set(ids)


def test_each_plot_has_its_numbers_as_a_table(page: str) -> None:
    assert page.count('role="img"') == page.count("As a table") >= 4
    assert Page(page).values("class").count("f-t2") >= 2


@pytest.mark.parametrize("where", ["name", "helo", "site", "note", "server", "day", "address"])
def test_nothing_from_a_log_becomes_markup(where: str) -> None:
    data = observe(crowd(), early(LATER, GOOD), mail(LATER + 1, GOOD, "mx.example.net"))
    site = {"domain": EVIL, "hits": 1, "hosts": 1, "good": 0, "errors": 9}
    clients = [one for one in data["clients"] if one["address"] == GOOD]
    changes: dict[str, Any] = {
        "name": {"clients": [{**clients[0], "name": EVIL}]},
        "helo": {"clients": [{**clients[0], "helo": [EVIL]}]},
        "address": {"clients": [{**clients[0], "address": EVIL}]},
        "site": {"sites": [site], "clients": [{**clients[0], "fails": {"dnsbl": 1}, "sites": [[EVIL, EVIL]]}]},
        "note": {"notes": [EVIL]},
        "server": {"name": EVIL},
        "day": {"days": {EVIL: {"connect": 3}}},
    }[where]
    text = page_of(judge("", [{**data, **changes}]))
    assert html.escape(EVIL[:9], quote=False)[3:] in text or where == "address"
    tags = [tag for tag, _attributes in Page(text).tags]
    assert tags.count("script") == 1 and "img" not in tags
    assert not [name for _tag, attributes in Page(text).tags for name in attributes if name.startswith("on")]


def test_text_for_a_terminal_drives_none() -> None:
    data = observe(crowd(), early(LATER, GOOD), mail(LATER + 1, GOOD, "mx.example.net"))
    data["clients"] = [{**one, "name": "a\x1b]0;x\x07.example", "helo": ["\x9b2J"]} for one in data["clients"]]
    text = "\n".join(terminal.lines(judge("", [{**data, "notes": ["\x1b[2J"]}])))
    assert GOOD in text and all(char.isprintable() or char == "\n" for char in text)


_NOISE = ["[", "]:", "<", "\x1b[31m", "\x00", "\udcff", "{{ 1 }}", '"', "\u202e", "9" * 30, "PREGREET 1 after 0 from "]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_a_log_holds_there_is_a_report(seed: int) -> None:
    """Lines of real daemons with pieces lost, doubled, and put where they do not belong."""
    chance = random.Random(seed)
    good = early(LATER, GOOD) + mail(LATER + 1, GOOD, "mx.example.net") + spf(LATER, GOOD)
    bad = listed(LATER, "203.0.113.6", 4, "dnsbl.example", "other.example")

    def spoilt(text: str) -> str:
        cut = chance.randrange(len(text))
        return text[:cut] + chance.choice(_NOISE) + text[cut + chance.randrange(3) :]

    log = [(at, program, spoilt(text)) for at, program, text in 20 * (good + bad) + crowd(1, 9)]
    one = judge("", [observe(log + good)])
    text = page_of(one)
    assert Page(text).values("id") and text.count("<script") == 1
    assert all(char.isprintable() for line in terminal.lines(one) for char in line)
    assert json.loads(json.dumps(view.plain(one)))["good_hosts"]


def test_text_says_what_to_do() -> None:
    text = "\n".join(terminal.lines(report()))
    assert "greet             [Allow hosts first]" in text
    assert f"{GOOD} mx.example.net: greet 1x; 1 message delivered, SPF of the sender names it" in text
    assert "Then switch what may be switched:" in text and "    dnsbl: enforce" in " ".join(text.split("\n"))
    assert max(len(line) for line in text.split("\n")) <= 110


def test_many_hosts_do_not_fill_the_terminal() -> None:
    many = [
        early(LATER, f"192.0.2.{number}") + mail(LATER + number, f"192.0.2.{number}", f"mx{number + 300}.example.net")
        for number in range(40)
    ]
    text = "\n".join(terminal.lines(judge("", [observe(crowd(), *many)])))
    assert "and 25 more, in the report" in text and "# 25 more in the report" in text


def test_json_holds_the_values_for_the_inventory() -> None:
    data = json.loads(json.dumps(view.plain(report())))
    assert data["inventory"] == {
        "postscreen_allow": [GOOD],
        "postscreen_stage": {"greet": "observe", "dnsbl": "enforce", "denylist": "observe"},
    }
    assert data["advice"] == "allow_first" and data["good_hosts"][0]["allow"] is True
    assert [one["test"] for one in data["tests"] if one["hosts"]] == ["greet", "dnsbl"]


def test_an_empty_report_has_a_page() -> None:
    text = page_of(judge("", [observe()]))
    assert "Nothing was observed" in text and '<svg viewBox="0 0 760' not in text


@pytest.mark.parametrize(
    ("most", "end"), [(0, 4), (4, 4), (5, 8), (9, 12), (100, 100), (101, 120), (1970, 2000), (7, 8)]
)
def test_axes_end_at_round_numbers(most: int, end: int) -> None:
    assert plots.nice(most) == end and end % 4 == 0


def test_bars_stay_within_the_plot() -> None:
    series = [
        plots.Series("a", "t1", (5, 0, 10**9)),
        plots.Series("b", "t2", (-3, 2, 7)),
        plots.Series("c", "t3", (0, 0, 0)),
    ]
    chart = plots.stacked("x", "X", "", ["1", "2", "3"], series, (1, "here"))
    assert [one.title for one in chart.series] == ["a", "b"]
    for bar in chart.bars:
        assert bar.x >= 0 and bar.x + bar.width <= chart.width and bar.y >= 0 and bar.y + bar.height <= chart.floor + 1
