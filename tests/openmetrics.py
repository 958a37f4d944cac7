"""What stands in a text of OpenMetrics, by the reader of Prometheus' own client: it refuses what is not of the format."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families


def samples(text: str) -> list[tuple[str, dict[str, str], float]]:
    """Name, labels and value of each sample."""
    families = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    return [(one.name, dict(one.labels), float(one.value)) for family in families for one in family.samples]
