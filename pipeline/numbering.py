"""The versions of the steps that a feed tells: what was made of some of them says theirs, the others are counted from those."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.evidence import Evidence
from pipeline.replay import Traced


def numbered(traced: Sequence[Traced], applied: int, found: Evidence, last: int) -> list[int | None]:
    """The version of each step that was read, `None` for the others and for rows that a snapshot corrected.

    `applied` are settled; `last` is the version that the key has now.
    """
    own = [at for at, step in enumerate(traced) if not step.is_reread]
    told = _told(traced, found)
    versions = [told[at] for at in own]
    settled = max((n + 1 for n, version in enumerate(versions) if version is not None), default=0)
    settled = max(settled, sum(1 for at in own if at < applied))
    taken = set(found.by_version)
    if settled and last and not any(versions):
        versions[settled - 1] = _free(last, -1, taken)
    for order, by in ((range(1, settled), 1), (range(settled - 2, -1, -1), -1)):
        for at in order:
            near = versions[at - by]
            if versions[at] is None and near is not None:
                versions[at] = _free(near + by, by, taken)
    numbers = dict(zip(own, versions, strict=True))
    return [numbers.get(at, told[at]) for at in range(len(traced))]


def places_of(versions: Sequence[int | None], traced: Sequence[Traced]) -> list[tuple[int, int]]:
    """Where each step stands: by its version; a correction behind the step before it, what is not settled at the end."""
    last, places = 0, []
    end = max((version for version in versions if version is not None), default=0) + 2**32
    for version, step in zip(versions, traced, strict=True):
        last = last if version is None else version
        places.append((last, 1) if step.is_reread and version is None else (end if version is None else version, 0))
    return places


def _told(traced: Sequence[Traced], found: Evidence) -> list[int | None]:
    """What records and waiting steps say; a position of which two versions tell was published again."""
    versions: dict[int, list[int]] = {}
    for version, said in found.by_version.items():
        if not said.is_again:
            versions.setdefault(said.position, []).append(version)
    return [versions[step.position].pop(0) if versions.get(step.position) else None for step in traced]


def _free(version: int, by: int, taken: set[int]) -> int:
    while version in taken:
        version += by
    return version
