"""Text to tokens. What the language has no use for is refused here, with a word on what to write instead."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from translators.expression.errors import ExpressionError, Refused, Span, SyntaxProblem, TooLarge

MAX_CHARACTERS = 4_000

TokenKind = Literal["number", "string", "name", "quoted", "symbol", "end"]


class Token(NamedTuple):
    """One token; `text` is upper case for names (keywords are compared by it), `value` is what the writer meant."""

    kind: TokenKind
    text: str
    value: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        """Where it stands."""
        return (self.start, self.end)


_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
      (?P<comment>--|/\*)
    | (?P<number>[0-9]+(?:\.[0-9]+)?)(?P<tail>[\w.]?)
    | (?P<string>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<name>[^\W\d][\w$]*)
    | (?P<foreign>::|->|==|:=|=>|\*\*|<=>|&&|\|/)
    | (?P<symbol>\|\||<>|!=|<=|>=|[=<>+\-*/%(),.])
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)

_INSTEAD = {
    "::": "Write CAST(x AS type).",
    "==": "Write a single =.",
    "->": "JSON cannot be looked into; use a py: field.",
    "<=>": "Write IS NOT DISTINCT FROM.",
    "&&": "Write AND.",
    "**": "There is no power operator.",
    ";": "An expression is a single value: there are no statements.",
    "`": 'Write names that need quotes in double quotes: "name".',
    "[": "There are no arrays; a part is summed up by SUM, COUNT and their like.",
    "~": "Write MATCHES(x, 'pattern').",
    "^": "There is no power operator.",
    "@": "There are no parameters and no variables.",
    "?": "There are no parameters and no variables.",
    ":": "There are no parameters and no variables; casts are written CAST(x AS type).",
    "$": "There are no parameters and no variables.",
    "|": "Text is joined by ||, conditions by OR.",
    "&": "Conditions are joined by AND.",
    "!": "Write NOT, or <> for 'not equal'.",
    "'": "End the text with a single quote; a quote inside a text is written twice.",
    '"': "End the name with a double quote.",
}
_OTHERWISE = "Take it out."
_PREFIXES = ("B", "E", "N", "X")


def tokenize(text: str) -> list[Token]:
    """The tokens of an expression, an `end` token last. Raises `SyntaxProblem`, `Refused` or `TooLarge`."""
    if len(text) > MAX_CHARACTERS:
        raise TooLarge(
            (MAX_CHARACTERS, len(text)),
            what=f"{len(text):,} characters, {MAX_CHARACTERS:,} are allowed",
            fix="Split it into several fields, or use a code table or a py: field.",
        )
    tokens: list[Token] = []
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        kind = None if match is None else match.lastgroup
        if match is None or kind is None or kind in ("comment", "foreign"):
            raise _unreadable(text, position)
        if kind == "end":
            tokens.append(Token("end", "", "", len(text), len(text)))
            return tokens
        tokens.append(_token(match))
        position = match.end()


def _token(match: re.Match[str]) -> Token:
    kind = match.lastgroup
    start = match.start(kind or 0)
    if kind == "symbol":
        symbol = match["symbol"]
        return Token("symbol", "<>" if symbol == "!=" else symbol, symbol, start, match.end())
    if kind == "name":
        end, name = match.end(), match["name"]
        if name.upper() in _PREFIXES and match.string.startswith("'", end):
            raise Refused((start, end + 1), what=f"A text with the prefix {name}", fix="Write a plain text: 'abc'.")
        return Token("name", name.upper(), name, start, end)
    if kind == "tail":
        start, end = match.span("number")
        if match["tail"]:
            raise SyntaxProblem(
                (start, match.end()),
                what=f"This is no number: {match['number']}{match['tail']}...",
                fix="Numbers are digits, or digits with a point inside: 12, 0.5. There is no exponent.",
            )
        return Token("number", match["number"], match["number"], start, end)
    body = match[kind or 0]
    quote = body[0]
    value = body[1:-1].replace(quote * 2, quote)
    if kind == "quoted":
        if not value:
            raise SyntaxProblem((start, match.end()), what="This name is empty.", fix=_OTHERWISE)
        return Token("quoted", value, value, start, match.end())
    return Token("string", body, value, start, match.end())


_COMMENT_FIX = "Write the comment as a YAML comment; a minus before a negative number needs a blank: a - -3."


def _unreadable(text: str, position: int) -> ExpressionError:
    while text[position] in " \t\r\n":
        position += 1
    for symbol in (text[position : position + 3], text[position : position + 2], text[position]):
        span = (position, position + len(symbol))
        if symbol in ("--", "/*"):
            return Refused(span, what="A comment", fix=_COMMENT_FIX)
        if symbol in ("'", '"'):
            noun = "text" if symbol == "'" else "name"
            return SyntaxProblem((position, len(text)), what=f"This {noun} has no end.", fix=_INSTEAD[symbol])
        if symbol in _INSTEAD:
            return Refused(span, what=f"The symbol {symbol}", fix=_INSTEAD[symbol])
    return SyntaxProblem((position, position + 1), what=f"Unexpected character {text[position]!r}.", fix=_OTHERWISE)
