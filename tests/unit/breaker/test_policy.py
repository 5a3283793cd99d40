import pickle
from typing import Any

import pytest

from orchestrator.errors import InvalidBreaker
from orchestrator.policy import Policy

SENTENCE_OF_TWO = (
    "window_seconds=0: input should be greater than or equal to 1; "
    "probes=0: input should be greater than or equal to 1"
)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"failure_threshold": 0}, "failure_threshold=0: input should be greater than or equal to 1"),
        ({"failure_threshold": True}, "failure_threshold=True: must be a number"),
        ({"failure_rate": 1.5}, "failure_rate=1.5: input should be less than or equal to 1"),
        ({"open_seconds": 0}, "open_seconds=0: input should be greater than or equal to 0.001"),
        ({"open_seconds": float("inf")}, "open_seconds=inf: input should be a finite number"),
        (
            {"open_seconds": 400, "open_cap_seconds": 300},
            "open_cap_seconds=300 must not be less than open_seconds=400",
        ),
        (
            {"failure_threshold": None, "failure_rate": None},
            "at least one of failure_threshold, failure_rate and slow_rate must be given",
        ),
        (
            {"probes": 0, "window_seconds": 0},
            SENTENCE_OF_TWO,
        ),
    ],
)
def test_a_policy_that_there_cannot_be_is_refused_with_a_sentence(
    values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidBreaker) as refused:
        Policy(**values)
    assert str(refused.value) == sentence


def test_a_name_that_a_policy_does_not_have_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(InvalidBreaker) as refused:
        Policy(threshold=3)  # type: ignore[call-arg]
    assert str(refused.value) == (
        "a policy has no threshold: it has failure_threshold, failure_rate, slow_rate, slow_seconds, "
        "window_seconds, minimum_calls, open_seconds, open_cap_seconds, open_jitter, probes, "
        "probe_lease_seconds, ramp_seconds, ramp_per_second, wait_limit_seconds, soft_limit_counts"
    )


def test_a_long_value_is_shown_by_its_beginning() -> None:
    with pytest.raises(InvalidBreaker) as refused:
        Policy(probes="x" * 1000)
    assert str(refused.value).startswith("probes='" + "x" * 79 + ": input should be a valid integer")


def test_the_longest_and_the_shortest_open_times_are_allowed() -> None:
    assert Policy(open_seconds=400).open_cap_seconds == 400
    assert Policy(open_seconds=0.001, open_cap_seconds=0.001).open_cap_seconds == 0.001
    assert Policy(open_cap_seconds=315_360_000).open_cap_seconds == 315_360_000


def test_one_condition_is_enough() -> None:
    assert Policy(failure_threshold=None, failure_rate=None, slow_rate=1).slow_rate == 1
    assert Policy(failure_threshold=1, failure_rate=None).failure_threshold == 1
    assert Policy(failure_threshold=None, failure_rate=1).failure_rate == 1


def test_only_rates_need_every_call_counted() -> None:
    assert not Policy(failure_rate=None).counts_calls
    assert Policy(failure_rate=0.5).counts_calls
    assert Policy(failure_rate=None, slow_rate=0.5).counts_calls


def test_a_fingerprint_is_the_same_for_the_same_policy() -> None:
    policy = Policy(failure_threshold=3)
    assert policy.fingerprint == "e67435328a678b27"
    assert Policy(failure_threshold=3, open_seconds=30).fingerprint == policy.fingerprint
    assert pickle.loads(pickle.dumps(policy)).fingerprint == policy.fingerprint  # noqa: S301 (our own)
    assert Policy.model_validate_json(policy.model_dump_json()).fingerprint == policy.fingerprint


def test_another_policy_has_another_fingerprint() -> None:
    policy = Policy(failure_threshold=3)
    assert Policy().fingerprint != policy.fingerprint
    assert policy.model_copy(update={"probes": 2}).fingerprint != policy.fingerprint
