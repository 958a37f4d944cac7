"""The coverage-guided fuzzer of the decoder: damaged captures in, an answer out, the same on both ways.

`python -m tests.connectors.debezium.fuzz FOLDER [options of libFuzzer]` writes the captures into FOLDER and begins with
what is there. An input is a byte that chooses the decoder, a byte that is the key's length, the key and the value.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

atheris: Any = importlib.import_module("atheris")

with atheris.instrument_imports(include=["connectors.debezium"]):
    from connectors.debezium import decode as module
    from connectors.debezium.decode import Decoder
    from connectors.debezium.records import Decoded

from connectors.debezium.registry import KnownSchemas  # noqa: E402
from tests.connectors.debezium.captures import POSTGRES, Raw, capture, mariadb_schema, schema, schema_texts  # noqa: E402
from translators.change import Change  # noqa: E402
from translators.schema import LegacySchema  # noqa: E402

LONGEST_KEY, LONGEST = 255, 20_000
NAMES = (*POSTGRES, "v_avro", "v_mar")
LEGACY: tuple[LegacySchema | None, ...] = (*[mariadb_schema() if n == "v_mar" else schema(n) for n in NAMES], None)


def decoder(legacy: LegacySchema | None) -> Decoder:
    return Decoder(legacy, "srv-notif", KnownSchemas(schema_texts()), signal_table="sig")


WARM = [decoder(legacy) for legacy in LEGACY]


def inputs() -> Iterator[tuple[str, bytes]]:
    """The captures as inputs, by name: each for its own decoder, one of each length also for that without a schema."""
    lengths = set()
    for at, name in enumerate(NAMES):
        for record in capture(name):
            value, key = record.value or b"", (record.key or b"")[:LONGEST_KEY]
            if len(value) < LONGEST and (at, len(value)) not in lengths:
                lengths.add((at, len(value)))
                for choice in (at, len(NAMES)):
                    yield f"{name}-{record.offset}-{choice}", bytes([choice, len(key)]) + key + value


def answer(data: bytes) -> tuple[Decoded, Decoded]:
    """What the everyday way and the careful way say of an input."""
    choice, length = data[0] % len(LEGACY), data[1]
    raw = Raw("t", 0, 0, data[2 : 2 + length] or None, data[2 + length :], ())
    quick = WARM[choice].decode(*raw)
    with mock.patch.object(module, "everyday", lambda *_: None):
        return quick, WARM[choice].decode(*raw)


def one(data: bytes) -> None:
    if len(data) < 2:
        return
    quick, careful = answer(data)
    if not isinstance(quick, Decoded) or repr(quick) != repr(careful):
        raise AssertionError(f"not the same: {quick} {careful}")
    if isinstance(quick, Change) and quick.row_key == "":
        raise AssertionError("a change without a key")


def main() -> None:
    # Readers of the captures' own tables are made before the fuzzer measures what an input reaches.
    for name, sample in inputs():
        one(sample)
        (Path(sys.argv[1]) / name).write_bytes(sample)
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
