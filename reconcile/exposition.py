"""The text format of OpenMetrics 1.0 (openmetrics.io), in which what draws curves reads metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Sample = tuple[Mapping[str, str], float | int | str]
"""Labels, and a value; a text is one that is written already."""


class Family(msgspec.Struct, frozen=True):
    """A metric. The name of a counter has no `_total`, and every name ends with its unit if there is one."""

    name: str
    help: str
    unit: str = ""
    kind: Literal["gauge", "counter"] = "gauge"


def exposed(families: Iterable[tuple[Family, Iterable[Sample]]]) -> str:
    """The text: each family with its samples, in the order given."""
    lines: list[str] = []
    for family, samples in families:
        name = family.name
        lines.append(f"# TYPE {name} {family.kind}")
        lines += [f"# UNIT {name} {family.unit}"] if family.unit else []
        lines.append(f"# HELP {name} {family.help}")
        total = "_total" if family.kind == "counter" else ""
        lines += [f"{name}{total}{_labels(labels)} {_value(value)}" for labels, value in samples]
    return "\n".join([*lines, "# EOF", ""])


def _value(value: float | str) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items()) + "}" if labels else ""


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
