from random import Random

import pytest

from orchestrator.retry.experience import Experience
from orchestrator.retry.odds import Failure, Odds, verdict

_FAILURE = Failure("shop.pay", "ValueError", 2)


@pytest.mark.parametrize(
    ("odds", "bound"),
    # 1 - 0.05 ** (1 / n); the last one from the integral of the density.
    [(Odds(), 0.95), (Odds(0, 1), 0.7763932), (Odds(0, 297), 0.0100024), (Odds(1, 471), 0.0099897)],
)
def test_the_upper_bound_is_that_of_the_beta_distribution(odds: Odds, bound: float) -> None:
    assert odds.upper_bound == pytest.approx(bound, rel=1e-4)


@pytest.mark.parametrize(
    ("odds", "is_hopeless"),
    [
        (Odds(), False),
        (Odds(0, 99), False),
        (Odds(0, 297), False),
        (Odds(0, 298), True),
        (Odds(1, 400), False),
        (Odds(1, 480), True),
        (Odds(50, 50), False),
        (Odds(1_000, 1_000_000), True),
    ],
)
def test_a_retry_is_hopeless_when_enough_of_them_were_in_vain(odds: Odds, is_hopeless: bool) -> None:  # noqa: FBT001
    assert odds.is_hopeless is is_hopeless


def test_of_millions_of_retries_it_is_the_share_that_is_weighed() -> None:
    millions = Odds(5_000_000, 995_000_000)

    assert millions.is_hopeless
    assert millions.upper_bound == Odds(50, 9_950).upper_bound


def test_the_verdict_says_the_odds() -> None:
    assert verdict(_FAILURE, Odds(3, 1997)) == (
        "not tried again after attempt 2: 3 of 2,000 such retries helped, so the chance is less than 0.4% "
        "(with 95% certainty)"
    )


def _learned(paid: int, in_vain: int, seed: int = 1) -> Experience:
    experience = Experience(Random(seed))
    for number in range(paid + in_vain):
        experience.note(_FAILURE, paid=number < paid)
    return experience


def test_what_was_counted_is_known_of_that_task_class_and_attempt_alone() -> None:
    experience = _learned(3, 4)

    assert experience.odds(_FAILURE) == Odds(3, 4)
    assert experience.odds(Failure("shop.pay", "ValueError", 1)) == Odds()
    assert experience.odds(Failure("shop.pay", "KeyError", 2)) == Odds()
    assert experience.odds(Failure("shop.ship", "ValueError", 2)) == Odds()


def test_a_twentieth_of_what_is_hopeless_is_tried_all_the_same() -> None:
    experience = _learned(0, 400, seed=11)

    given_up = sum(experience.gives_up(_FAILURE) is not None for _ in range(2000))
    assert 1860 <= given_up <= 1940


def test_what_is_not_hopeless_is_never_given_up() -> None:
    experience = _learned(1, 300)

    assert not any(experience.gives_up(_FAILURE) for _ in range(200))


def test_classes_without_end_are_not_all_counted() -> None:
    experience = Experience(Random(1))
    for number in range(1200):
        experience.note(Failure("shop.pay", f"Made{number}", 1), paid=False)

    assert experience.odds(Failure("shop.pay", "Made999", 1)) == Odds(0, 1)
    assert experience.odds(Failure("shop.pay", "Made1000", 1)) == Odds()
