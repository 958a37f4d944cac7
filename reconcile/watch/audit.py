"""The audit of a watch: keys drawn at random, and what follows from them for all keys.

Going through all keys says when each was seen last. What is drawn says, at any time, how many can be wrong at most.
"""

from __future__ import annotations

import math

DRAWN = 2
"""Keys that a look draws: with a look every five seconds some 34,000 a day, which can bound the share to 0.01 %."""

CONFIDENCE = 0.95

_STEPS = 60
"""Halvings of an interval: it is then narrower than a float can say."""


def most_wrong(drawn: int, wrong: int) -> float:
    """The share of all keys that can be wrong at most, with 95 % confidence, if `wrong` of those `drawn` are.

    1 if none was drawn, or all of them are wrong.
    The one-sided bound of Clopper and Pearson (1934): the share at which so few would be seen in one of twenty audits.
    For none wrong it is 1 - 0.05^(1/n), about 3/n.
    """
    if wrong >= drawn:
        return 1.0
    low, high = wrong / drawn, 1.0
    for _ in range(_STEPS):
        share = (low + high) / 2
        if _at_most(wrong, drawn, share) > 1 - CONFIDENCE:
            low = share
        else:
            high = share
    return high


def _at_most(wrong: int, drawn: int, share: float) -> float:
    """The probability of so few, by the binomial distribution; logarithms, since its terms fit no float."""
    total = 0.0
    for k in range(wrong + 1):
        ways = math.lgamma(drawn + 1) - math.lgamma(k + 1) - math.lgamma(drawn - k + 1)
        total += math.exp(ways + k * math.log(share) + (drawn - k) * math.log1p(-share))
    return total
