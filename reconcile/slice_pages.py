"""What the report says of slices, and of the terms by which a check was judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconcile.page import SlicesText, SliceText
from reconcile.slices import Slice
from reconcile.terms import Authority, Terms

SHOWN = 20
"""Values of one field that the page shows; all of them are in the kept run."""

_RIGHT = {"legacy": "the legacy", "view": "the view", "both": "both have to agree"}


def slices_of(slices: Sequence[Slice]) -> Iterator[SlicesText]:
    """A table for each field, the values that differ most first."""
    for field in dict.fromkeys(one.field for one in slices):
        found = [one for one in slices if one.field == field]
        more = len(found) - SHOWN
        yield SlicesText(
            field=field,
            rows=tuple(_row(one) for one in found[:SHOWN]),
            more=f"and {more:,} more, which differ less or not at all" if more > 0 else "",
        )


def _row(one: Slice) -> SliceText:
    beside = one.in_flight, one.unconfirmed + one.ambiguous, one.unavailable, one.not_covered
    words = "in flight", "never held still", "never sent", "not covered"
    return SliceText(
        value=one.value,
        sign="≠" if one.confirmed else "✓" if one.agree + one.in_flight == one.compared else "!",
        compared=f"{one.compared:,}",
        agree=f"{one.agree:,}",
        confirmed=f"{one.confirmed:,}",
        share=f"{one.confirmed / one.compared:.2%}".replace("%", " %"),
        beside=", ".join(f"{count:,} {word}" for count, word in zip(beside, words, strict=True) if count),
    )


def terms_said(terms: Terms) -> Iterator[str]:
    """By which terms it was judged, where they are not those of every check."""
    authority = terms.authority
    if authority != Authority():
        rights = [(right, [f for f, of in authority.fields.items() if of == right]) for right in _RIGHT]
        said = [f"{', '.join(fields)}: {_RIGHT[right]}" for right, fields in rights if fields]
        who = f"In the phase {authority.phase}, who" if authority.phase else "Who"
        yield f"{who} is right: {'; '.join([*said, f'all else: {_RIGHT[authority.others]}'])}."
    left = [f"{field} ({why.rstrip('.')})" for field, why in terms.excluded.items()]
    left += [f"{field} (technical)" for field in terms.technical]
    if left:
        yield f"Not compared: {', '.join(left)}."
    if terms.tolerance:
        apart = ", ".join(f"{field} by {most:f}" for field, most in terms.tolerance.items())
        yield f"Numbers may be apart: {apart}."
