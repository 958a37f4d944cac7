"""Records that are made to take time and memory, decoded one after another in a process of their own.

`python -m tests.connectors.debezium.bombs` prints, as JSON, what each was answered with and how long it took, and how much
memory the process took at its peak (kilobytes).
"""

from __future__ import annotations

import base64
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator

from connectors.debezium.decode import Decoder
from connectors.debezium.records import Unreadable
from connectors.debezium.registry import KnownSchemas
from tests.connectors.debezium.captures import schema_texts
from translators.schema_text import read_schema

LIMIT = 16 * 1024 * 1024
DIGITS = 1_000_000
LEGACY = read_schema(
    """
source: s
connector: postgresql
namespace: public
tables:
  t:
    key: [id]
    replica_identity: full
    columns:
      {id: int not null, n: numeric, m: "numeric(9,2)", f: double precision, x: text, b: bytea, a: "numeric(900,2)[]", o: point}
""",
    "schema.yaml",
)
ROW = '"id":1,"n":null,"m":null,"f":null,"x":null,"b":null,"a":null,"o":null'
ITEMS = json.dumps(
    {"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": "int"}}]}
)
DEEP = b"[" * (LIMIT - 400)


def record(**values: bytes) -> bytes:
    """An insert with some columns given as JSON."""
    row = ROW.encode()
    for name, value in values.items():
        row = row.replace(f'"{name}":null'.encode(), f'"{name}":'.encode() + value)
    source = b'{"connector":"postgresql","schema":"public","table":"t","txId":3,"lsn":9,"ts_us":1}'
    return b'{"op":"c","source":' + source + b',"after":{' + row + b"}}"


def filled(head: bytes, item: bytes, tail: bytes = b"") -> bytes:
    """As many items as a record may hold."""
    return head + item * ((LIMIT - len(head) - len(tail) - 600) // len(item)) + tail


def text(data: bytes) -> bytes:
    return b'"' + base64.b64encode(data) + b'"'


def bombs() -> Iterator[tuple[str, Callable[[], bytes]]]:
    nines = b"9" * DIGITS
    yield "50 MB of text", lambda: record(x=b'"' + b"x" * 50_000_000 + b'"')
    yield "50 MB of blanks", lambda: b" " * 50_000_000
    yield "50 MB of Avro", lambda: b"\0\0\0\0\4" + b"\2" * 50_000_000
    for column in ("n", "m", "f", "x", "o", "a"):
        yield f"a million digits in {column}", lambda column=column: record(**{column: nines})  # type: ignore[misc]
        yield f"a million decimals in {column}", lambda column=column: record(**{column: b"0." + nines})  # type: ignore[misc]
    yield "a million digits as text", lambda: record(n=b'"' + nines + b'"')
    yield "a million digits as a fixed decimal", lambda: record(m=text(b"\7" * 415_000))
    yield "a million digits of a scale", lambda: record(n=b'{"scale":2,"value":' + text(b"\7" * 415_000) + b"}")
    yield "a huge exponent", lambda: record(n=b"1e999999")
    yield "a huge negative exponent", lambda: record(f=b"1e-999999999")
    yield "many numbers of 60,000 bytes", lambda: record(a=b"[" + filled(b"", text(b"\7" * 61_000) + b",") + b'"AQ=="]')
    yield "a million digits in the source", lambda: record().replace(b'"lsn":9', b'"lsn":' + nines)
    yield "a million digits of a file", lambda: record().replace(b'"lsn":9', b'"file":"b.' + nines + b'"')
    yield "a million digits of a sequence", lambda: record().replace(b'"lsn":9', b'"sequence":"[\\"' + nines + b'\\"]"')
    yield "empty lists", lambda: record(o=filled(b"[", b"[],", b"0]"))
    yield "empty objects", lambda: filled(b'{"a":[', b"{},", b"0]}")
    yield "many names", lambda: b"{" + b",".join(b'"%x":0' % n for n in range(1_200_000)) + b"}"
    yield "deep lists", lambda: DEEP
    yield "deep row", lambda: record(o=DEEP)
    yield "escapes", lambda: record(x=filled(b'"', b"\\u0000", b'"'))
    yield "a list of Avro's smallest items", lambda: b"\0\0\0\0\x63" + b"\x80\x80\x80\x10" + b"\0" * (LIMIT - 99)
    yield "empty blocks of Avro", lambda: b"\0\0\0\0\x63" + b"\1\0" * (LIMIT // 2 - 99)


def main() -> None:
    decoder = Decoder(LEGACY, registry=KnownSchemas({**schema_texts(), 99: ITEMS}))
    decoder.decode("t", 0, 0, b'{"id":1}', record(), ())
    answers: dict[str, tuple[str, float]] = {}
    for name, build in bombs():
        value = build()
        begun = time.process_time()
        found = decoder.decode("t", 0, 0, b'{"id":1}', value, ())
        code = found.problem.code if isinstance(found, Unreadable) else type(found).__name__
        answers[name] = (code, time.process_time() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(json.dumps({"answers": answers, "peak": peak}))


if __name__ == "__main__":
    main()
