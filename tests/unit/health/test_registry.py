"""Declaring checks."""

from collections.abc import Callable, Iterator

import pytest

from monitoring.health import Check, check_source, health_check
from monitoring.health.registry import InvalidCheck, registered

pytestmark = pytest.mark.usefixtures("empty_registry")


def _named_alike() -> Callable[[], None]:
    def stock() -> None: ...

    return stock


def test_a_declared_check_is_registered_with_its_interval_and_stays_a_function() -> None:
    @health_check("stock", every=60)
    def stock() -> str:
        return "12 left"

    assert registered() == [Check("stock", stock, 60)]
    assert stock() == "12 left"


def test_critical_checks_come_first() -> None:
    health_check("a")(_named_alike())
    health_check("b", critical=True)(_named_alike())

    assert [check.name for check in registered()] == ["b", "a"]


def test_a_reloaded_module_replaces_its_own_check() -> None:
    before, after = _named_alike(), _named_alike()
    health_check("stock")(before)
    health_check("stock", every=5)(after)

    assert registered() == [Check("stock", after, 5)]


def test_two_functions_with_one_name_are_refused_and_both_are_named() -> None:
    def other() -> None: ...

    health_check("stock")(_named_alike())
    with pytest.raises(InvalidCheck) as refused:
        health_check("stock")(other)

    assert "two health checks are called 'stock'" in str(refused.value)
    assert "_named_alike.<locals>.stock" in str(refused.value)
    assert "<locals>.other" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "every", "timeout_seconds"),
    [(" ", 60, 5), ("stock", 0, 5), ("stock", -1, 5), ("stock", float("nan"), 5), ("stock", 60, 0)],
)
def test_a_check_without_a_name_or_with_a_length_of_time_below_zero_is_refused(
    name: str, every: float, timeout_seconds: float
) -> None:
    with pytest.raises(InvalidCheck):
        health_check(name, every=every, timeout_seconds=timeout_seconds)(_named_alike())


def test_an_async_function_is_refused_because_nobody_would_await_it() -> None:
    async def stock() -> None: ...

    with pytest.raises(InvalidCheck, match="plain function"):
        health_check("stock")(stock)  # type: ignore[type-var]


def test_a_source_is_asked_anew_each_time() -> None:
    names = ["a"]

    @check_source
    def source() -> Iterator[Check]:
        return (Check(name, _named_alike()) for name in names)

    before = [check.name for check in registered()]
    names.append("b")

    assert (before, [check.name for check in registered()]) == (["a"], ["a", "b"])
