"""How often a retry has paid, and whether one more is worth it: pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Fewer retries than this say nothing.
LEAST_OBSERVED = 100
# A retry is given up when its chance is less than HOPELESS with CONFIDENCE: 298 in vain and none that paid.
HOPELESS = 0.01
CONFIDENCE = 0.95
# What part of the retries that would be given up is made all the same, so that a change is noticed.
EXPLORED = 0.05
# A worker's event loop works this out: of more retries than these the share counts alone.
_MOST_WEIGHED = 10_000
_HALVINGS = 30


@dataclass(frozen=True, slots=True)
class Odds:
    """Of the retries after one kind of failure, how many paid (succeeded), and how many did not.

    The chance that the next one pays is held to be distributed as Beta(1 + paid, 1 + in vain): the posterior
    of a uniform prior (Bayes; Gelman et al., "Bayesian Data Analysis", §2.1).
    """

    paid: int = 0
    in_vain: int = 0

    @property
    def observed(self) -> int:
        """How many retries there were."""
        return self.paid + self.in_vain

    @property
    def is_hopeless(self) -> bool:
        """Whether a retry practically never pays."""
        if self.observed < LEAST_OBSERVED or self.paid > HOPELESS * self.observed:
            return False
        return self.chance_is_below(HOPELESS) >= CONFIDENCE

    @property
    def upper_bound(self) -> float:
        """What the chance is less than, with CONFIDENCE."""
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if self.chance_is_below(middle) < CONFIDENCE:
                low = middle
            else:
                high = middle
        return high

    def chance_is_below(self, chance: float) -> float:
        """How probable it is that the chance is less than `chance`: the regularised incomplete beta function.

        For whole numbers it is the probability that of n = paid + in vain + 1 trials more than `paid` succeed
        (Abramowitz & Stegun, 26.5.24): exact for as many as are weighed, without a library.
        """
        if not 0.0 < chance < 1.0:
            return float(chance >= 1.0)
        weighed = min(self.observed, _MOST_WEIGHED)
        paid = math.ceil(self.paid * weighed / max(self.observed, 1))
        trials = weighed + 1
        logs = math.log(chance), math.log1p(-chance)
        at_most_paid = math.fsum(
            math.exp(
                math.lgamma(trials + 1)
                - math.lgamma(hits + 1)
                - math.lgamma(trials - hits + 1)
                + hits * logs[0]
                + (trials - hits) * logs[1]
            )
            for hits in range(paid + 1)
        )
        return 1.0 - at_most_paid

    def __str__(self) -> str:
        """As it is said to people."""
        return f"{self.paid:,} of {self.observed:,} such retries helped"


@dataclass(frozen=True, slots=True)
class Failure:
    """What a retry is for: the task, the class of its error, and which attempt failed, from 1 on."""

    task: str
    error: str
    attempt: int


def verdict(failure: Failure, odds: Odds) -> str:
    """Why a retry is given up, as it stands in its dead letter."""
    return (
        f"not tried again after attempt {failure.attempt}: {odds}, so the chance is less than "
        f"{odds.upper_bound:.1%} (with {CONFIDENCE:.0%} certainty)"
    )
