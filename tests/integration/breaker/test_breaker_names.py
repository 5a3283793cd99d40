"""A process has one breaker a name, a bounded number of them, and the policy that was named last."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator.breaker import breaker, circuit, hub
from orchestrator.breaker.registry import MOST_KEPT, Registry
from orchestrator.breaker.store import Store
from orchestrator.errors import BreakerOpen, InvalidBreaker
from orchestrator.policy import Policy
from tests.own_redis import OwnRedis
from tests.processes import wait_until

_POLICY = Policy(failure_threshold=3, failure_rate=None, ramp_seconds=0)


def test_one_name_is_one_object() -> None:
    assert breaker("same") is breaker("same", _POLICY)


def test_thousands_of_names_are_forgotten_but_those_that_are_held() -> None:
    registry = Registry()
    held = registry.get("held")

    for number in range(3 * MOST_KEPT):
        registry.get(f"name-{number}")
    gc.collect()

    assert len(registry) == MOST_KEPT + 1
    assert registry.get("held") is held


def test_hundreds_of_breakers_share_one_thread_and_three_connections(fresh: OwnRedis) -> None:
    for number in range(500):
        with breaker(f"many-{number}", _POLICY):
            pass

    clients = [each for each in fresh.client.client_list() if each["id"] != str(fresh.client.client_id())]
    # The link, the thread's own, and that of the call under way.
    assert len(clients) <= 3
    assert sum(thread.name.startswith("omninode-breaker") for thread in threading.enumerate()) == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "a breaker's name must have 1 to 200 characters, and '' is blank"),
        ("  ", "a breaker's name must have 1 to 200 characters, and '  ' is blank"),
        ("x" * 201, f"a breaker's name must have 1 to 200 characters: '{'x' * 39} … has 201"),
        ("\ud800", r"a breaker's name must be text that UTF-8 can hold, not '\ud800'"),
    ],
)
def test_what_is_no_name_is_refused_with_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(InvalidBreaker) as error:
        breaker(name)
    assert str(error.value) == sentence


def test_what_is_no_class_of_errors_is_refused_with_a_sentence() -> None:
    with pytest.raises(InvalidBreaker, match="breaker 'kinds': expected must be classes of errors"):
        breaker("kinds", expected=3)  # type: ignore[arg-type]


def test_odd_characters_make_a_name(fresh: OwnRedis) -> None:
    name = 'a "breaker"\n*%s 🙂'
    for _ in range(3):
        with pytest.raises(OSError, match="down"), breaker(name, _POLICY):
            raise OSError("down")

    assert breaker(name).state.circuit == "open"
    assert Store(fresh.client).names() == [name]


def test_the_policy_that_is_named_last_is_the_fleets(fresh: OwnRedis) -> None:
    with breaker("policies", _POLICY):
        pass
    later = Policy(failure_threshold=1, failure_rate=None)
    with breaker("policies", later):
        pass

    assert breaker("policies").policy == later
    assert Store(fresh.client).register("policies", later)[1] == later


def test_the_policy_that_the_fleet_has_taken_on_is_heard(fresh: OwnRedis) -> None:
    guard = breaker("newer", _POLICY)
    with guard:
        pass
    newer = Policy(failure_threshold=1, failure_rate=None)
    Store(fresh.client).register("newer", newer)

    wait_until(lambda: guard.standing.clean is None, what="the push")
    with guard:
        pass
    assert guard.policy == newer


def test_a_circuit_is_the_librarys(fresh: OwnRedis) -> None:
    @circuit(failure_threshold=3, recovery_timeout=30, expected_exception=OSError)
    def call(error: Exception) -> None:
        raise error

    for _ in range(5):
        with pytest.raises(KeyError):
            call(KeyError())
    for _ in range(3):
        with pytest.raises(OSError, match="down"):
            call(OSError("down"))
    with pytest.raises(BreakerOpen) as refused:
        call(OSError())

    assert refused.value.breaker == f"{__name__}.test_a_circuit_is_the_librarys.<locals>.call"
    assert 20 < (refused.value.retry_after_seconds or 0) < 34


def test_a_circuit_without_parentheses_opens_after_five_failures(fresh: OwnRedis) -> None:
    @circuit
    def call() -> None:
        raise OSError("down")

    for _ in range(5):
        with pytest.raises(OSError, match="down"):
            call()
    with pytest.raises(BreakerOpen):
        call()


def test_an_open_circuit_calls_what_stands_in_for_it(fresh: OwnRedis) -> None:
    def instead(number: int) -> int:
        return -number

    @circuit(failure_threshold=1, name="stood-in", fallback_function=instead)
    def call(number: int) -> int:
        raise OSError("down")

    with pytest.raises(OSError, match="down"):
        call(1)
    assert call(2) == -2


def test_a_predicate_of_class_and_error_says_what_a_circuit_expects(fresh: OwnRedis) -> None:
    @circuit(failure_threshold=1, name="predicate", expected_exception=lambda kind, error: kind is OSError)
    def call(error: Exception) -> None:
        raise error

    with pytest.raises(KeyError):
        call(KeyError())
    with pytest.raises(OSError, match="down"):
        call(OSError("down"))
    with pytest.raises(BreakerOpen):
        call(OSError())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"failure_threshold": -1}, "the first must be a whole number of 1 or more"),
        ({"failure_threshold": 0}, "the first must be a whole number of 1 or more"),
        ({"failure_threshold": True}, "the first must be a whole number of 1 or more"),
        ({"recovery_timeout": 0}, "the second a number of seconds above 0"),
        ({"fallback_function": 3}, r"circuit\(fallback_function=3\): it must be a function"),
        ({"expected_exception": 3}, r"circuit\(expected_exception=3\): it must be a class of errors"),
    ],
)
def test_what_makes_no_circuit_is_refused_with_a_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidBreaker, match=sentence):
        circuit(**given)


def test_a_circuit_lets_all_in_when_it_closes_and_is_open_for_the_same_time_each_time() -> None:
    @circuit(recovery_timeout=7, name="as the library's")
    def call() -> None:
        """Do nothing."""

    assert breaker("as the library's").standing.wanted == Policy(
        failure_rate=None, open_seconds=7, open_cap_seconds=7, open_jitter=0, ramp_seconds=0
    )


def test_a_circuit_of_a_script_has_its_files_name(tmp_path: Path) -> None:
    script = tmp_path / "nightly.py"
    script.write_text(
        "from orchestrator.breaker import circuit, registry\n"
        "@circuit\n"
        "def tidy(): pass\n"
        "print(*registry.registry._all)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)

    assert done.stdout == "nightly.tidy\n"


def test_nothing_is_connected_before_the_first_call(fresh: OwnRedis) -> None:
    breaker("idle", _POLICY)

    @circuit
    def call() -> None:
        """Do nothing."""

    assert not hub.hub().members
    assert not hub.hub().is_up
