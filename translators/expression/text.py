"""Catalogue: text. Compared by code point, measured in characters; only U+0020 is a blank."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from translators.expression import runtime, types
from translators.expression.arguments import Arguments, Entry, Example, Python
from translators.expression.bound import Bound, Call, growth
from translators.schema import Type

if TYPE_CHECKING:
    from translators.expression.python import Emitter

_MAX_LENGTH = 1_000
Strict = Callable[["Emitter", Call, tuple[str, ...]], str]


def sized(length: int) -> Type:
    """A text of at most `length` characters; 0 if that is not known."""
    return Type("text", nullable=False, length=length)


def _joined(args: Arguments) -> Bound:
    lengths = [types.text_length(args.need(index, "text")) for index in range(len(args.args))]
    total = sum(lengths) if all(lengths) else 0
    return args.call(sized(total), grows=sum(growth(part) for part in args.args))


def _join(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    return f"({' + '.join(texts)})" if len(texts) < 4 else f"''.join(({', '.join(texts)}))"


def _trimmed(args: Arguments) -> Bound:
    part = args.need(0, "text")
    letter = args.letter(1, "what is trimmed") if len(args.args) > 1 else " "
    return args.call(sized(types.text_length(part)), (part,), data=letter)


def _trim(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    method = {"TRIM": "strip", "LTRIM": "lstrip", "RTRIM": "rstrip"}[call.name]
    return f"{texts[0]}.{method}({call.data!r})"


def _same_length(args: Arguments) -> Bound:
    return args.call(sized(types.text_length(args.need(0, "text"))))


def _cased(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    return f"{emitter.use(runtime.upper if call.name == 'UPPER' else runtime.lower)}({texts[0]})"


def _length(args: Arguments) -> Bound:
    args.need(0, "text")
    return args.call(types.INTEGER)


def _len(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    return f"len({texts[0]})"


def _shorter(part: Bound, most: int) -> Type:
    length = types.text_length(part)
    return sized(min(length, most) if length else most)


def _substring(args: Arguments) -> Bound:
    part = args.need(0, "text")
    start = args.constant_integer(1, "the first position", 1, 2**31)
    if len(args.args) == 2:
        return args.call(sized(types.text_length(part)), (part,), data=(start - 1, None))
    count = args.constant_integer(2, "the number of characters", 0, 2**31)
    return args.call(_shorter(part, count), (part,), data=(start - 1, start - 1 + count))


def _side(args: Arguments) -> Bound:
    part = args.need(0, "text")
    count = args.constant_integer(1, "the number of characters", 0, 2**31)
    return args.call(_shorter(part, count), (part,), data=(None, count) if args.name == "LEFT" else (-count, None))


def _slice(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    start, end = call.data
    if call.name == "RIGHT" and start == 0:
        return f"{texts[0]}[:0]"
    return f"{texts[0]}[{start or ''}:{'' if end is None else end}]"


def _padded(args: Arguments) -> Bound:
    part = args.need(0, "text")
    width = args.constant_integer(1, "the length", 0, _MAX_LENGTH)
    letter = args.letter(2, "what is padded with") if len(args.args) > 2 else " "
    return args.call(sized(width), (part,), data=(width, letter), grows=1)


def _pad(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    width, letter = call.data
    return f"{texts[0]}[:{width}].{'rjust' if call.name == 'LPAD' else 'ljust'}({width}, {letter!r})"


def _replaced(args: Arguments) -> Bound:
    part = args.need(0, "text")
    old = args.constant_text(1, "what is replaced")
    new = args.constant_text(2, "what replaces it")
    if not old:
        raise args.wrong("what is replaced must not be empty", "Say which text is to be replaced.", args.args[1])
    factor = max(1, -(-len(new) // len(old)))
    return args.call(sized(types.text_length(part) * factor), (part,), data=(old, new), grows=growth(part) * factor)


def _replace(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    old, new = call.data
    return f"{texts[0]}.replace({old!r}, {new!r})"


def _found(args: Arguments) -> Bound:
    args.need(0, "text")
    args.need(1, "text")
    return args.call(types.INTEGER if args.name in ("STRPOS", "POSITION") else types.BOOLEAN)


def _find(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    whole, part = texts if call.name == "STRPOS" else texts[::-1]
    return f"({whole}.find({part}) + 1)"


def _starts(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    return f"{texts[0]}.startswith({texts[1]})"


def _split(args: Arguments) -> Bound:
    part = args.need(0, "text")
    separator = args.constant_text(1, "the separator")
    if not separator:
        raise args.wrong("the separator must not be empty", "Write the text between the parts.", args.args[1])
    index = args.constant_integer(2, "the number of the part", 1, _MAX_LENGTH)
    return args.call(sized(types.text_length(part)), (part,), data=(separator, index))


def _part(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    separator, index = call.data
    return f"{emitter.use(runtime.split_part)}({texts[0]}, {separator!r}, {index})"


def _digest(args: Arguments) -> Bound:
    args.need(0, "text")
    return args.call(sized(32 if args.name == "MD5" else 64), grows=1)


def _hash(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    return f"{emitter.use(_md5 if call.name == 'MD5' else _sha256)}({texts[0]})"


def _md5(text: str) -> str:
    """MD5 of the UTF-8 text, in hex: a fingerprint, not a secret."""
    import hashlib

    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    """SHA-256 of the UTF-8 text, in hex."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def _like(args: Arguments) -> Bound:
    """LIKE: `data` is (NOT, has ESCAPE); afterwards (NOT, pattern, escape)."""
    negated, escaped = args.data
    part = args.need(0, "text")
    pattern = args.constant_text(1, "the pattern")
    escape = args.letter(2, "the escape character") if escaped else "\\"
    try:
        runtime.like_pieces(pattern, escape)
    except ValueError:
        raise args.wrong(
            "the pattern ends in its escape character", f"Write it twice: {escape * 2}.", args.args[1]
        ) from None
    return args.call(types.BOOLEAN, (part,), data=(negated, pattern, escape))


def _matched(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    negated, pattern, escape = call.data
    text = _match(emitter, texts[0], pattern, escape)
    return f"(not {text})" if negated else text


def _not_matched(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    negated, pattern, escape = call.data
    text = _match(emitter, texts[0], pattern, escape)
    return text if negated else f"(not {text})"


def _match(emitter: Emitter, text: str, pattern: str, escape: str) -> str:
    """The test of a pattern, by the string method that does it, where there is one."""
    pieces = runtime.like_pieces(pattern, escape)
    if any(one is None for piece in pieces for one in piece):
        return f"{emitter.use(runtime.like(pattern, escape))}({text})"
    plain = ["".join(one for one in piece if one is not None) for piece in pieces]
    match plain:
        case [whole]:
            return f"({text} == {whole!r})"
        case [start, ""]:
            return f"{text}.startswith({start!r})"
        case ["", end]:
            return f"{text}.endswith({end!r})"
        case ["", middle, ""]:
            return f"({middle!r} in {text})"
        case _:
            return f"{emitter.use(runtime.like(pattern, escape))}({text})"


def _entry(
    name: str,
    signature: str,
    meaning: str,
    examples: tuple[Example, ...],
    bind: Callable[[Arguments], Bound],
    strict: Strict,
) -> Entry:
    inside, _, optional = signature.partition("[")
    least = inside.count(",") + 1
    return Entry(
        name=name,
        signature=signature,
        meaning=meaning,
        examples=examples,
        bind=bind,
        python=Python(strict=strict),
        arity=(least, least + optional.count(",")),
    )


ENTRIES = (
    Entry(
        name="||",
        signature="a || b ...",
        meaning="The texts one after the other; NULL if one is NULL.",
        examples=(Example("s || '-' || t", "a-b", {"s": "a", "t": "b"}), Example("s || t", None, {"s": "a"})),
        bind=_joined,
        python=Python(strict=_join),
        arity=(2, 400),
        written="operator",
    ),
    Entry(
        name="LIKE",
        signature="x [NOT] LIKE 'pattern' [ESCAPE 'c']",
        meaning="Whether the whole text fits: % is any text, _ any one character, \\ takes the next one as it is.",
        examples=(
            Example("s LIKE 'A%'", True, {"s": "AB"}),
            Example("s LIKE '_B'", True, {"s": "AB"}),
            Example("s NOT LIKE '100!%' ESCAPE '!'", False, {"s": "100%"}),
        ),
        bind=_like,
        python=Python(strict=_matched, negated=_not_matched),
        arity=(2, 3),
        written="operator",
    ),
    _entry(
        "TRIM",
        "TRIM(x [, c])",
        "The text without the blanks (or the character c) at both ends.",
        (Example("TRIM(s)", "a b", {"s": "  a b "}), Example("TRIM(s, '0')", "1", {"s": "0010"})),
        _trimmed,
        _trim,
    ),
    _entry(
        "LTRIM",
        "LTRIM(x [, c])",
        "TRIM at the start only.",
        (Example("LTRIM(s, '0')", "10", {"s": "0010"}),),
        _trimmed,
        _trim,
    ),
    _entry(
        "RTRIM", "RTRIM(x [, c])", "TRIM at the end only.", (Example("RTRIM(s)", " a", {"s": " a "}),), _trimmed, _trim
    ),
    _entry(
        "UPPER",
        "UPPER(x)",
        "Each letter as its capital, where it has one of its own: ß stays ß.",
        (Example("UPPER(s)", "STRAßE", {"s": "straße"}),),
        _same_length,
        _cased,
    ),
    _entry(
        "LOWER",
        "LOWER(x)",
        "Each letter as its small one: İ is i, and a final sigma is like any other.",
        (Example("LOWER(s)", "i όσοσ", {"s": "İ ΌΣΟΣ"}),),
        _same_length,
        _cased,
    ),
    _entry("LENGTH", "LENGTH(x)", "The number of characters.", (Example("LENGTH(s)", 2, {"s": "ä "}),), _length, _len),
    _entry(
        "SUBSTRING",
        "SUBSTRING(x, from [, n])",
        "n characters from a position, counted from 1; constants.",
        (Example("SUBSTRING(s, 2, 2)", "bc", {"s": "abcd"}), Example("SUBSTRING(s, 9)", "", {"s": "abcd"})),
        _substring,
        _slice,
    ),
    _entry(
        "LEFT", "LEFT(x, n)", "The first n characters.", (Example("LEFT(s, 2)", "ab", {"s": "abc"}),), _side, _slice
    ),
    _entry(
        "RIGHT", "RIGHT(x, n)", "The last n characters.", (Example("RIGHT(s, 2)", "bc", {"s": "abc"}),), _side, _slice
    ),
    _entry(
        "LPAD",
        "LPAD(x, n [, c])",
        "Exactly n characters: filled at the start with c (blank), or cut at the end.",
        (Example("LPAD(s, 4, '0')", "0012", {"s": "12"}), Example("LPAD(s, 1)", "1", {"s": "12"})),
        _padded,
        _pad,
    ),
    _entry(
        "RPAD",
        "RPAD(x, n [, c])",
        "LPAD, filled at the end.",
        (Example("RPAD(s, 3)", "12 ", {"s": "12"}),),
        _padded,
        _pad,
    ),
    _entry(
        "REPLACE",
        "REPLACE(x, a, b)",
        "b in place of every a; constants.",
        (Example("REPLACE(s, '-', '')", "1234", {"s": "12-34"}),),
        _replaced,
        _replace,
    ),
    _entry(
        "STRPOS",
        "STRPOS(x, part)",
        "Where the part begins, from 1; 0 if it is not there.",
        (Example("STRPOS(s, '-')", 3, {"s": "12-34"}),),
        _found,
        _find,
    ),
    _entry(
        "STARTS_WITH",
        "STARTS_WITH(x, start)",
        "Whether the text begins so.",
        (Example("STARTS_WITH(s, 'DE')", True, {"s": "DE12"}),),
        _found,
        _starts,
    ),
    _entry(
        "SPLIT_PART",
        "SPLIT_PART(x, separator, k)",
        "The k-th of the parts that a separator makes, from 1; '' beyond the last; constants.",
        (Example("SPLIT_PART(s, '/', 2)", "b", {"s": "a/b"}), Example("SPLIT_PART(s, '/', 3)", "", {"s": "a/b"})),
        _split,
        _part,
    ),
    _entry(
        "MD5",
        "MD5(x)",
        "The MD5 of the UTF-8 text, in hex.",
        (Example("MD5(s)", "900150983cd24fb0d6963f7d28e17f72", {"s": "abc"}),),
        _digest,
        _hash,
    ),
    _entry(
        "SHA256",
        "SHA256(x)",
        "The SHA-256 of the UTF-8 text, in hex.",
        (Example("SHA256(s)", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", {"s": "abc"}),),
        _digest,
        _hash,
    ),
    Entry(
        name="POSITION",
        signature="POSITION(part IN x)",
        meaning="STRPOS, as the standard writes it.",
        examples=(Example("POSITION('-' IN s)", 3, {"s": "12-34"}),),
        bind=_found,
        python=Python(strict=_find),
        arity=(2, 2),
    ),
)
