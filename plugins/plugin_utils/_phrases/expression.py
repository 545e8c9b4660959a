# Copyright: Postern contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the automaton of a phrase to an expression for header_checks(5).

A phrase is followed through everything around it: raw text, the encoded words of RFC 2047 in both encodings, and the
way from one word to the next. Each place in the phrase becomes a numbered group that calls those behind it, as PCRE2
has it, so that the expression grows with the length of the phrase and not with the number of ways to cut it.

Postfix gives PCRE2 a header as it is, with the line ends of its folds inside (cleanup_message.c), and no flag for
UTF-8 in any release (dict_pcre.c): an expression is about bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from ansible_collections.postern.mail.plugins.plugin_utils._phrases.automaton import Automaton
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.charsets import ANY, CHARSETS, DOUBLE, Charset
from ansible_collections.postern.mail.plugins.plugin_utils._phrases.classes import (
    ANY_DIGIT,
    HEX,
    byte_in_base64,
    byte_in_q,
    literal,
    nibbles_in_base64,
    nibbles_in_q,
    rest_in_base64,
)

# Where the phrase is, and the node. R: in raw text, C: behind a word, W: at the beginning of one, Q and B: in its text
# of that encoding; q and b: in that of a word of another charset. Before the phrase begins: O and o in a word, D and
# d in base64. B has the phase and the bits of the byte before.
State = tuple[str, int, int, int | None]
Way = tuple[str, State | None]

# Possessive: nothing that follows begins with white space, and long runs of it must not be shared out in many ways.
_GAP = r"[\t\n\r\x20]*+"
_BLANK = r"[\t\n\r\x20]++"
_PRINTABLE = r"[\x20-\x7E]"
# The beginning of a word stands outside of the groups, because a letter is found faster than a group.
_OPEN, _OPEN_OTHER = r"=\?(?1)", r"=\?(?2)"
_GROUPS = 2
_ANY_GROUP = f"(?:{ANY_DIGIT}{{4}})*?"
# What raw text is interrupted by: an encoded word, and characters of two bytes in 7 bits.
_NO_ASCII = r"(?:=\?[!->@-~]+\?[BbQq]\?[^?]*\?=|\x1B\$[^\x1B]*+|\x0E[^\x0F]*+)"
_STATEFUL_LABELS = r"(?:cs)?iso-?2022|hz|utf-?(?:7|16|32)|ucs-"


class Expression:
    """One automaton in one charset.

    :param labels: names of the charset in encoded words
    :param cuts_characters: whether a word may end inside a character
    """

    def __init__(
        self, automaton: Automaton, charset: Charset, labels: Collection[str], *, cuts_characters: bool = True
    ) -> None:
        self._cuts_characters = cuts_characters and not charset.switches
        self._automaton = automaton
        self._charset = charset
        self._labels = labels
        self._groups: dict[State, int] = {}

    def text(self, *, anchored: bool) -> str:
        """The expression for the value of a header."""
        states = self._shared(anchored)
        self._groups = {state: number for number, state in enumerate(states, _GROUPS + 1)}
        body = self._render(self._entry(anchored))
        groups = "".join(f"({self._render(self._ways(state))})" for state in states)
        return f"{body}(?(DEFINE)({self._opening()})({self._other_opening()}){groups})"

    def _shared(self, anchored: bool) -> list[State]:
        """States that are reached in more than one way."""
        used: Counter[State] = Counter()
        pending = [state for __, state in self._entry(anchored) if state]
        used.update(pending)
        done: set[State] = set()
        while pending:
            state = pending.pop()
            if state in done:
                continue
            done.add(state)
            targets = [target for __, target in self._ways(state) if target]
            used.update(targets)
            pending += targets
        return [state for state, number in used.items() if number > 1 or self._breaks(state)]

    def _breaks(self, state: State) -> bool:
        """Where a group is made in any case: PCRE2 nests parentheses 250 deep."""
        return not self._cuts_characters and self._automaton.nodes[state[1]].border

    def _render(self, ways: Iterable[Way]) -> str:
        parts: dict[str, list[str]] = {}
        for text, state in ways:
            parts.setdefault(text, []).append(self._called(state))
        texts = [text + _choice(behind) for text, behind in parts.items()]
        return _choice(texts)

    def _called(self, state: State | None) -> str:
        if state is None:
            return ""
        if state in self._groups:
            return f"(?{self._groups[state]})"
        return self._render(self._ways(state))

    def _opening(self) -> str:
        """Everything of an encoded word up to the encoding; RFC 2231 allows a language behind the charset."""
        if self._charset.name == ANY:
            doubles = [] if self._is_aligned() else [CHARSETS[DOUBLE], CHARSETS["shift_jis"]]
            others = {label for other in doubles for label in other.labels}
            names = "|".join([_STATEFUL_LABELS, *(f"{_name(label)}[*?]" for label in sorted(others))])
            return rf"(?!(?i:{names}))[!->@-~]+\?"
        return rf"{label_choice(self._labels)}\?"

    def _other_opening(self) -> str:
        """A word of another charset that writes ASCII as ASCII."""
        names = "|".join([_STATEFUL_LABELS, *(f"{_name(label)}[*?]" for label in sorted(self._labels))])
        return rf"(?!(?i:{names}))[!->@-~]+\?"

    # What can come next

    def _ways(self, state: State) -> list[Way]:
        kind, number, phase, bits = state
        if number in self._automaton.finals:
            return [(rest_in_base64(phase, bits) if kind in "Bb" else "", None)]
        if self._automaton.nodes[number].skips:
            return list(self._skipping(state))
        if kind in "Bb":
            return list(self._in_base64(number, kind, phase, bits))
        if kind in "Oo":
            return list(self._opened(number, kind))
        if kind in "Dd":
            return list(self._landed(number, kind))
        if kind in "Qq":
            return list(self._in_q(number, kind))
        return list({"R": self._raw, "C": self._closed, "W": self._word}[kind](number))

    def _edges(self, number: int) -> Iterator[tuple[int, int]]:
        for byte, targets in self._automaton.nodes[number].edges.items():
            for target in targets:
                yield byte, target

    def _raw(self, number: int) -> Iterator[Way]:
        node = self._automaton.nodes[number]
        blanks = number in node.edges.get(0x20, [])
        yield from self._raw_bytes(number, _GAP if blanks else "")
        if node.border:
            yield _GAP, ("W", node.home, 0, None)

    def _raw_bytes(self, number: int, before: str = "") -> Iterator[Way]:
        """White space of any kind is a space here; the line may have been folded there."""
        for byte, target in self._edges(number):
            if byte == 0x20 and target != number:
                yield _BLANK, ("R", target, 0, None)
            elif byte not in (0x20, 0x09):
                yield before + literal(byte), ("R", target, 0, None)

    def _closed(self, number: int) -> Iterator[Way]:
        """RFC 2047 wants white space between words, and between a word and raw text; careless software does not."""
        if self._automaton.nodes[number].border:
            yield from self._raw_bytes(number, _GAP)
        yield _GAP, ("W", number, 0, None)

    def _word(self, number: int) -> Iterator[Way]:
        yield _OPEN + r"[Bb]\?", ("B", number, 0, None)
        yield _OPEN + r"[Qq]\?", ("Q", number, 0, None)
        if self._mixes(number):
            yield _OPEN_OTHER + r"[Bb]\?", ("b", number, 0, None)
            yield _OPEN_OTHER + r"[Qq]\?", ("q", number, 0, None)

    def _mixes(self, number: int) -> bool:
        """Whether what comes next can stand in a word of another charset, as a bracket can."""
        return (
            self._charset.name not in (ANY, DOUBLE)
            and not self._charset.switches
            and self._automaton.nodes[number].border
            and any(byte < 0x80 for byte, __ in self._edges(number))
            and not self._is_ascii(self._automaton.start)
        )

    def _in_q(self, number: int, kind: str) -> Iterator[Way]:
        for byte, target in self._edges(number):
            if kind == "Q" or 0x20 <= byte < 0x80:
                yield byte_in_q(byte), (kind, target, 0, None)
        yield from self._closing(number, "")

    def _in_base64(self, number: int, kind: str, phase: int, bits: int | None) -> Iterator[Way]:
        for byte, target in self._edges(number):
            if kind == "B" or 0x20 <= byte < 0x80:
                text, next_phase, next_bits = byte_in_base64(byte, phase, bits)
                yield text, (kind, target, next_phase, next_bits)
        yield from self._closing(number, f"{rest_in_base64(phase, bits)}=*" if phase else "")

    def _closing(self, number: int, rest: str) -> Iterator[Way]:
        node = self._automaton.nodes[number]
        begun = number not in (self._automaton.start, self._automaton.direct, self._automaton.back)
        if begun and (node.border or self._cuts_characters):
            yield rest + r"\?=", ("C", node.home, 0, None)

    def _skipping(self, state: State) -> Iterator[Way]:
        """Characters of the mode before the phrase; their bytes are printable ASCII."""
        kind, number, phase, __ = state
        node = self._automaton.nodes[number]
        if kind == "B":
            for text, landing in _skips_in_base64(node.skips, phase):
                yield text, ("B", node.after_skips, landing, None)
        elif kind == "Q":
            yield f"(?:{nibbles_in_q(range(2, 8)) * node.skips})*?", ("Q", node.after_skips, 0, None)
        else:
            yield f"(?:{_PRINTABLE * node.skips})*?", ("R", node.after_skips, 0, None)

    # Where it begins

    def _entry(self, anchored: bool) -> list[Way]:
        start, direct, back = self._automaton.start, self._automaton.direct, self._automaton.back
        if anchored:
            return [(rf"{_GAP}\x22?", ("R", start, 0, None))]
        word = f".*?{_OPEN}"
        ways: list[Way] = [(self._raw_walk(start) + text, state) for text, state in self._raw_bytes(start)]
        begins = [each for each in (start, back) if each >= 0 and self._automaton.nodes[each].edges]
        ways += [(word, ("O", number, 0, None)) for number in begins]
        if self._mixes(start):
            ways += [(f".*?{_OPEN_OTHER}", ("o", start, 0, None))]
        if direct >= 0:
            ascii_begins = self._automaton.nodes[direct].after_skips
            ways += [(self._raw_walk(ascii_begins) + text, state) for text, state in self._raw_bytes(ascii_begins)]
            ways += [(rf"{word}[Qq]\?", ("Q", direct, 0, None)), (rf"{word}[Bb]\?", ("B", direct, 0, None))]
        return ways

    def _opened(self, number: int, kind: str) -> Iterator[Way]:
        """Inside a word, before the phrase."""
        own = kind == "O"
        yield r"[Qq]\?" + (self._q_walk() if own else "[^?]*?"), ("Q" if own else "q", number, 0, None)
        yield r"[Bb]\?" + (self._base64_walk() if own else _ANY_GROUP), ("D" if own else "d", number, 0, None)

    def _landed(self, number: int, kind: str) -> Iterator[Way]:
        """In base64, behind whole groups of three bytes: the phrase begins here, or one or two bytes later."""
        if kind == "d" or self._is_aligned() or self._charset.name == ANY:
            for digits in range(3):
                yield ANY_DIGIT * digits, ("B" if kind == "D" else "b", number, digits, None)
            return
        for text, phase in _landings(self._leads(), self._charset.prefix):
            yield text, ("B", number, phase, None)

    def _leads(self) -> set[int]:
        """Upper halves of the first bytes of characters of two bytes."""
        return {byte >> 4 for byte in self._charset.leads}

    def _first_bytes(self) -> set[int]:
        return set(self._automaton.nodes[self._automaton.start].edges)

    def _is_aligned(self) -> bool:
        """Whether the first byte cannot be the second half of a character."""
        if self._charset.name == ANY:
            return not self._first_bytes() & CHARSETS[DOUBLE].trails
        return not (self._charset.leads and self._first_bytes() & self._charset.trails)

    def _raw_walk(self, number: int) -> str:
        """From the beginning of the value to the phrase, from character to character where that matters."""
        char = "."
        if not self._is_aligned() and self._charset.name != ANY:
            leads, trails = _byte_class(self._charset.leads), _byte_class(self._charset.trails)
            char = f"(?:{leads}{trails}|{leads}(?!{trails})|[^{leads[1:]})"
        return f"(?:{_NO_ASCII}|(?!{_NO_ASCII}){char})*?" if self._is_ascii(number) else f"{char}*?"

    def _is_ascii(self, start: int) -> bool:
        """Whether the phrase, as raw text, could stand by accident in what is no ASCII: base64, the kanji of a mode."""
        reached, pending = set(), [start]
        while pending:
            number = pending.pop()
            if number in self._automaton.finals:
                return True
            if number not in reached:
                reached.add(number)
                pending += [target for byte, target in self._edges(number) if 0x20 <= byte < 0x7F]
        return False

    def _q_walk(self) -> str:
        if self._is_aligned() or self._charset.name == ANY:
            if self._first_bytes() & frozenset(b"0123456789ABCDEFabcdef"):
                return rf"(?:={HEX}{{2}}|=(?!{HEX}{{2}})|[^?=])*?"
            return r"[^?]*?"
        leads = self._leads()
        lead, other = nibbles_in_q(leads), nibbles_in_q(set(range(16)) - leads)
        prefix = byte_in_q(self._charset.prefix) if self._charset.prefix else ""
        special, barred = (f"{prefix}|", f"(?!{prefix})") if prefix else ("", "")
        return rf"(?:{special}{barred}{lead}{nibbles_in_q(range(16))}|{other})*?"

    def _base64_walk(self) -> str:
        """From the beginning of a word's text on, in whole groups of three bytes."""
        if self._is_aligned() or self._charset.name == ANY:
            return _ANY_GROUP
        one, two, to_1, to_2 = _characters_in_base64(self._leads(), self._charset.prefix)
        return f"(?:{to_1}{two[1]}|{to_2}{one[2]})*?"


def _characters_in_base64(leads: Collection[int], prefix: int) -> tuple[list[str], list[str], str, str]:
    """Whole characters of one and two bytes; what begins a character is told by the upper half of its first byte.

    One character leads from phase 0 to 1 or 2, from 1 to 2 or 0, from 2 to 0 or 1. The loops are written out so that
    each text has one way through them.

    :return: characters of one and of two bytes by phase, and ways from phase 0 to 1 and 2
    """
    singles = set(range(16)) - set(leads)
    one = [nibbles_in_base64(singles, phase) for phase in range(3)]
    two = [nibbles_in_base64(leads, phase) + _any_in_base64((phase + 1) % 3) for phase in range(3)]
    if prefix:
        ahead = [_byte_ahead(prefix, phase) for phase in range(3)]
        one = [f"(?:{text}|{ahead[phase]}{_any_in_base64(phase)})" for phase, text in enumerate(one)]
        two = [ahead[phase].replace("(?=", "(?!") + text for phase, text in enumerate(two)]
    to_1 = f"(?:{one[0]}(?:{one[1]}{two[2]})*?|{two[0]}(?:{two[2]}{one[1]})*?{two[2]})"
    to_2 = f"(?:{one[0]}(?:{one[1]}{two[2]})*?{one[1]}|{two[0]}(?:{two[2]}{one[1]})*?)"
    return one, two, to_1, to_2


def _landings(leads: Collection[int], prefix: int) -> list[tuple[str, int]]:
    __, __, to_1, to_2 = _characters_in_base64(leads, prefix)
    return [("", 0), (to_1, 1), (to_2, 2)]


def _byte_ahead(byte: int, phase: int) -> str:
    """A look at the digits of one byte, whatever shares them with it."""
    text, behind, bits = byte_in_base64(byte, phase, None)
    return f"(?={text}{rest_in_base64(behind, bits)})"


def _any_in_base64(phase: int) -> str:
    return ANY_DIGIT * 2 if phase == 2 else ANY_DIGIT


def _skips_in_base64(width: int, phase: int) -> list[tuple[str, int]]:
    """Any number of printable characters of this width from that phase on, with the phase behind them."""

    def row(number: int) -> str:
        return "".join(nibbles_in_base64(range(2, 8), (phase + place) % 3) for place in range(number * width))

    return [(f"(?:{row(3)})*?{row(number)}", (phase + number * width) % 3) for number in range(3)]


def _byte_class(values: Collection[int]) -> str:
    ordered = sorted(values)
    runs = [[ordered[0]]]
    for value in ordered[1:]:
        if value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return "[" + "".join(rf"\x{run[0]:02X}-\x{run[-1]:02X}" for run in runs) + "]"


def label_choice(labels: Collection[str]) -> str:
    """Names of a charset in an encoded word, with the language that RFC 2231 allows; any name where none is given."""
    if not labels:
        return "[!->@-~]+"
    return f"(?i:{'|'.join(_name(label) for label in sorted(labels))})(?:\\*[!->@-~]*)?"


def _name(label: str) -> str:
    return "".join(literal(ord(char)) for char in label)


def _choice(texts: list[str]) -> str:
    """One of them; where there is none, nothing matches."""
    return texts[0] if len(texts) == 1 else f"(?:{'|'.join(texts)})" if texts else "(?!)"
