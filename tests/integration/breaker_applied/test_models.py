"""Each model's server has a breaker of its own."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from orchestrator import stamp
from orchestrator.breaker.store import Store
from orchestrator.errors import BreakerOpen, ModelRefused, ModelUnavailable
from orchestrator.settings import Settings
from tasks.models import ask, call_model, catalogue
from tests.integration.breaker_applied import policies
from tests.processes import wait_until
from tests.unit.models.model_server import ModelServer, answer, completion, serve


@pytest.fixture
def server(environment: Settings) -> Iterator[ModelServer]:
    with serve() as running:
        models = {"gpt": running.endpoint(), "other": running.endpoint()}
        policies.use(environment, {"model:*": {"failure_threshold": 3}}, models=models)
        yield running


def _fail(times: int, model: str = "gpt") -> None:
    for _ in range(times):
        with pytest.raises(ModelUnavailable):
            ask(model, "chat", "Hi")


def test_a_server_that_is_away_is_left_alone_and_others_are_called(
    server: ModelServer, store: Store, database: psycopg.Connection[Any]
) -> None:
    server.behaviour = answer({}, 503)
    _fail(3)
    server.behaviour = answer(completion("Hello!"))

    with pytest.raises(BreakerOpen, match="model:gpt"):
        ask("gpt", "chat", "Hi")
    assert ask("other", "chat", "Hi").output["text"] == "Hello!"

    assert len(server.requests) == 4
    # A call that was not made is not recorded.
    assert database.execute("SELECT count(*) FROM model_calls WHERE model = 'gpt'").fetchone() == (3,)
    assert [each.after for each in store.history("model:gpt")] == ["open"]


def test_what_the_server_asks_for_prolongs_the_open_time(server: ModelServer, store: Store) -> None:
    server.behaviour = answer({}, 429, {"Retry-After": "600"})
    _fail(3)

    (state,) = store.read(["model:gpt"])
    assert state.circuit == "open"
    assert 500 < state.left_seconds <= 600


def test_a_refusal_says_that_the_server_is_there(server: ModelServer, store: Store) -> None:
    server.behaviour = answer({}, 401)
    for _ in range(4):
        with pytest.raises(ModelRefused):
            ask("gpt", "chat", "Hi")

    details = store.details("model:gpt")
    assert not details or details.failures == 0


def test_a_server_that_returns_is_called_again(
    server: ModelServer, environment: Settings, store: Store
) -> None:
    quick = {"model:gpt": {"failure_threshold": 1, "open_seconds": 0.05, "ramp_seconds": 0}}
    policies.use(environment, quick, models={"gpt": server.endpoint()})
    server.behaviour = answer({}, 503)
    _fail(1)
    server.behaviour = answer(completion("Hello!"))

    def answers() -> bool:
        try:
            return bool(ask("gpt", "chat", "Hi").output["text"] == "Hello!")
        except BreakerOpen:
            return False

    wait_until(answers, what="an answer")
    wait_until(lambda: store.read(["model:gpt"])[0].circuit == "closed", what="the closed circuit")


def test_the_task_names_the_server_that_its_arguments_name(server: ModelServer) -> None:
    assert catalogue.dependency("gpt", "chat", "Hi") == "model:gpt"
    assert catalogue.dependency(model="other", operation="chat", input="Hi") == "model:other"
    # The built-in one has none; a name that is no model makes no breaker.
    assert catalogue.dependency("local", "embed", "text") == ""
    assert catalogue.dependency("nobody", "embed", "text") == ""
    assert catalogue.dependency({"no": "name"}) == ""
    assert stamp.dependency(call_model, ("gpt", "chat", "Hi"), {}) == "model:gpt"
