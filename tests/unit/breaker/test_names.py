"""What a breaker may be called."""

from typing import Any

import pytest

from orchestrator.breaker import breaker, circuit
from orchestrator.errors import InvalidBreaker


@pytest.mark.parametrize("name", [5, None, [], b"payments"])
def test_a_name_that_is_no_text_is_refused_with_a_sentence(name: Any) -> None:
    with pytest.raises(InvalidBreaker, match="a breaker's name must be text, not "):
        breaker(name)


def test_a_circuits_name_that_is_no_text_is_refused_with_a_sentence() -> None:
    name: Any = 5

    with pytest.raises(InvalidBreaker, match="a breaker's name must be text, not 5"):
        circuit(name=name)(len)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("", "and '' is blank"), (" ", "and ' ' is blank"), ("x" * 201, "… has 201")],
)
def test_a_name_that_is_blank_or_too_long_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(InvalidBreaker, match=sentence):
        breaker(name)
