"""Catalogue: MATCHES. A regular expression that every engine reads alike, always over the whole text.

Characters, `.`, `[...]`, `( | )` and `? * + {n} {n,} {n,m}`; a backslash takes a sign as it is. Read here and written
anew, so that no engine meets what a user wrote. Python runs it by RE2, whose time is linear in the text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from translators.expression import types
from translators.expression.arguments import Arguments, Entry, Example, Python
from translators.expression.bound import Bound, Call

if TYPE_CHECKING:
    from translators.expression.python import Emitter

MAX_REPEAT = 255
"""PostgreSQL counts no further."""
MAX_SIZE = 1_000
"""Characters and classes that a pattern may ask for, each as often as it is repeated at most."""
MAX_DEPTH = 20
MAX_UNBOUNDED = 3
"""How many `*`, `+` and `{n,}` a pattern may have: engines that backtrack need a time to the power of it."""

_SPECIAL = "\\^$.|?*+()[]{}"
_ANY = "[^\\n]"


class PatternError(Exception):
    """What a pattern has that not every engine reads alike, and what to write."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


class _Part(NamedTuple):
    """A piece of the pattern as it is written anew; `size` is what it asks for at most."""

    text: str
    size: int
    repeats: bool = False
    chooses: bool = False


@cache
def portable(pattern: str) -> str:
    """The pattern as every engine is given it, without anchors. `PatternError`."""
    return _Reader(pattern).whole()


@cache
def matcher(pattern: str) -> Callable[[str], bool]:
    """The test of a whole text by a portable pattern."""
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.log_errors = False
    fullmatch = re2.compile(pattern, options).fullmatch

    def matches(text: str) -> bool:
        return fullmatch(text) is not None

    return matches


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0
        self.unbounded = 0

    def whole(self) -> str:
        part = self.alternatives()
        if self.at < len(self.pattern):
            raise PatternError("a ) without its (", "Write \\) for the sign itself.")
        if part.size > MAX_SIZE:
            raise PatternError(f"more than {MAX_SIZE:,} characters, counted with their repeats", "Repeat less often.")
        return part.text

    @property
    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def next(self, what: str) -> str:
        """The next character, which `what` needs."""
        letter = self.peek
        if not letter:
            raise PatternError(f"{what} without its end", "Complete it, or write a backslash before the sign itself.")
        self.at += 1
        return letter

    def alternatives(self) -> _Part:
        found = [self.sequence()]
        while self.peek == "|":
            self.at += 1
            found.append(self.sequence())
        if len(found) > 1 and not all(part.text for part in found):
            raise PatternError("an empty alternative", "Write (...)? for what may be left out.")
        text = "|".join(part.text for part in found)
        several = len(found) > 1 or any(part.chooses for part in found)
        return _Part(text, sum(part.size for part in found), any(part.repeats for part in found), several)

    def sequence(self) -> _Part:
        parts: list[_Part] = []
        while self.peek and self.peek not in "|)":
            parts.append(self.repeated(self.atom()))
        return _Part(
            "".join(part.text for part in parts),
            sum(part.size for part in parts),
            any(part.repeats for part in parts),
            any(part.chooses for part in parts),
        )

    def atom(self) -> _Part:
        letter = self.next("the pattern")
        if letter == "(":
            return self.group()
        if letter == "[":
            return _Part(self.members(), 1)
        if letter == ".":
            return _Part(_ANY, 1)
        if letter == "\\":
            return _Part(escaped(self.sign()), 1)
        if letter in "^$":
            raise PatternError(f"the anchor {letter}", "Leave it out: the pattern always means the whole text.")
        if letter in _SPECIAL:
            raise PatternError(f"{letter} at a place where it means nothing", f"Write \\{letter} for the sign itself.")
        return _Part(escaped(letter), 1)

    def sign(self) -> str:
        """What stands after a backslash: a sign, never a letter or a digit."""
        letter = self.next("a backslash")
        if letter.isalnum() or not letter.isascii():
            raise PatternError(
                f"\\{letter}", "Engines differ on it: write [0-9], [A-Za-z] or the characters themselves."
            )
        return letter

    def group(self) -> _Part:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise PatternError(f"groups nested more than {MAX_DEPTH} deep", "Use fewer brackets.")
        if self.peek == "?":
            raise PatternError("(?", "Options and look-around differ between engines; plain ( ) groups.")
        inside = self.alternatives()
        if self.next("a group") != ")" or not inside.text:
            raise PatternError("an empty group", "Leave it out.")
        self.depth -= 1
        return inside._replace(text=f"(?:{inside.text})")

    def repeated(self, part: _Part) -> _Part:
        least, most, text = self.times()
        if not text:
            return part
        if self.peek and self.peek in "?*+{":
            raise PatternError(f"{text}{self.peek}", "Engines differ on two repeats in a row: use one.")
        if text == "?":
            return part._replace(text=part.text + text, repeats=True)
        if part.repeats or (most is None and part.chooses):
            what = f"{text} after a group that itself repeats" + (" or has |" if most is None else "")
            raise PatternError(what, "Write it without the outer or without the inner repeat.")
        if most is None:
            self.unbounded += 1
            if self.unbounded > MAX_UNBOUNDED:
                raise PatternError(f"more than {MAX_UNBOUNDED} of * + {{n,}}", "Say how often at most: {0,40}.")
        return part._replace(text=part.text + text, size=part.size * (most or max(least, 1)), repeats=True)

    def times(self) -> tuple[int, int | None, str]:
        """How often at least and at most, and how that is written; '' if nothing is said."""
        letter = self.peek
        if not letter or letter not in "?*+{":
            return 1, 1, ""
        self.at += 1
        if letter != "{":
            return {"?": (0, 1, "?"), "*": (0, None, "*"), "+": (1, None, "+")}[letter]
        end = self.pattern.find("}", self.at)
        least, comma, most = self.pattern[self.at : max(end, self.at)].partition(",")
        if end < 0 or not _number(least) or (most and not _number(most)):
            raise PatternError("{ that is no repeat", "Write \\{ for the sign itself, or {2}, {2,}, {2,5}.")
        self.at = end + 1
        low, high = int(least), int(most or least)
        if high > MAX_REPEAT or low > high or high == 0:
            raise PatternError(f"{{{least}{comma}{most}}}", f"Repeat from 1 to {MAX_REPEAT} times.")
        return low, (None if comma and not most else high), f"{{{low}{comma}{most}}}"

    def members(self) -> str:
        """What stands between [ and ], written anew."""
        negated = self.peek == "^"
        self.at += negated
        found = ""
        while self.peek != "]":
            low = self.member()
            if self.peek == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self.member()
                if low > high:
                    raise PatternError(f"the range {low}-{high}", "Write the lesser character first.")
                found += f"{escaped(low)}-{escaped(high)}"
            else:
                found += escaped(low)
        self.at += 1
        if not found:
            raise PatternError("an empty [ ]", "Say which characters it takes.")
        return f"[{'^' if negated else ''}{found}]"

    def member(self) -> str:
        letter = self.next("[")
        if letter == "[":
            raise PatternError("[ within [ ]", "Write \\[ for the sign itself; named classes differ between engines.")
        return self.sign() if letter == "\\" else letter


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4


def escaped(letter: str) -> str:
    """A character as it stands for itself, inside and outside of [ ]."""
    if letter == "\n":
        return "\\n"
    return f"\\{letter}" if letter.isascii() and not letter.isalnum() and letter not in " _\t\r" else letter


def _matches(args: Arguments) -> Bound:
    """MATCHES: `data` is the portable pattern."""
    part = args.need(0, "text")
    written = args.constant_text(1, "the pattern")
    try:
        pattern = portable(written)
    except PatternError as problem:
        raise args.wrong(f"the pattern has {problem.what}", problem.fix, args.args[1]) from None
    return args.call(types.BOOLEAN, (part,), data=pattern)


def _matched(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    return f"{emitter.use(matcher(call.data))}({texts[0]})"


ENTRIES = (
    Entry(
        name="MATCHES",
        signature="MATCHES(x, 'pattern')",
        meaning="Whether the whole text fits a regular expression: characters, ., [...], ( | ), ? * + {n,m}; "
        "a backslash before a sign takes it as it is.",
        examples=(
            Example("MATCHES(s, '[A-Z]{2}[0-9]+')", True, {"s": "DE12"}),
            Example("MATCHES(s, '[0-9]+')", False, {"s": "12 "}),
        ),
        bind=_matches,
        python=Python(strict=_matched),
        arity=(2, 2),
    ),
)
