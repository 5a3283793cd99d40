"""Calls of models and their records, on a real PostgreSQL."""

import json
import signal
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psutil
import psycopg
import pytest
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded

from orchestrator import settings
from orchestrator.errors import (
    InvalidModelInput,
    ModelNotConfigured,
    ModelRefused,
    ModelUnavailable,
    TransientError,
)
from orchestrator.install import install
from orchestrator.settings import Settings
from tasks.models import ask, call_model
from tests.processes import Worker, start_worker
from tests.unit.models.model_server import (
    ModelServer,
    answer,
    completion,
    embeddings,
    hang,
    in_turn,
    reset,
    serve,
)

Database = psycopg.Connection[Any]


@pytest.fixture
def server(environment: Settings) -> Iterator[ModelServer]:
    with serve() as running:
        settings.use(environment.model_copy(update={"models": {"gpt": running.endpoint()}}))
        yield running


def _calls(database: Database) -> list[tuple[Any, ...]]:
    return database.execute(
        "SELECT model, operation, outcome, input_tokens, output_tokens FROM model_calls ORDER BY started_at"
    ).fetchall()


def _error(database: Database) -> str:
    (row,) = database.execute("SELECT error FROM model_calls").fetchall()
    return str(row[0])


def test_an_answered_call_is_recorded_with_its_latency_and_tokens(
    environment: Settings, database: Database
) -> None:
    answered = ask("local", "embed", ["hello world", "hello"], task_id="task-1")
    row = database.execute(
        "SELECT id, task_id, model, operation, outcome, error, latency_seconds, input_tokens, output_tokens,"
        " clock_timestamp() - started_at BETWEEN '0 s' AND '30 s' FROM model_calls"
    ).fetchall()
    assert row == [
        (answered.call_id, "task-1", "local", "embed", "ok", None, answered.latency_seconds, 3, None, True)
    ]
    assert isinstance(answered.call_id, UUID)
    assert 0 < answered.latency_seconds < 30
    assert [len(vector) for vector in answered.output] == [256, 256]


def test_a_chat_is_recorded_with_what_the_server_counted(server: ModelServer, database: Database) -> None:
    server.behaviour = answer(completion("Hello!", {"prompt_tokens": 7, "completion_tokens": 2}))
    answered = ask("gpt", "chat", "Hi", {"max_tokens": 5})
    assert answered.output == {"text": "Hello!", "finish_reason": "stop"}
    assert _calls(database) == [("gpt", "chat", "ok", 7, 2)]


def test_similarity_rank_and_classify_work_over_a_server_s_vectors(
    server: ModelServer, database: Database
) -> None:
    server.behaviour = answer(embeddings([[1.0, 0.0], [0.0, 3.0], [2.0, 2.0]], {"prompt_tokens": 9}))
    ranked = ask("gpt", "rank", {"query": "q", "documents": ["a", "b"]}).output
    assert [(found["index"], found["document"]) for found in ranked] == [(1, "b"), (0, "a")]
    assert [found["score"] for found in ranked] == pytest.approx([0.5**0.5, 0.0])
    assert ask("gpt", "classify", {"text": "t", "labels": ["a", "b"]}).output["label"] == "b"
    server.behaviour = answer(embeddings([[1.0, 0.0], [-2.0, 0.0]]))
    assert ask("gpt", "similarity", ["a", "b"]).output == -1.0
    assert _calls(database) == [
        ("gpt", "rank", "ok", 9, None),
        ("gpt", "classify", "ok", 9, None),
        ("gpt", "similarity", "ok", None, None),
    ]


@pytest.mark.parametrize(
    ("behaviour", "error", "outcome"),
    [
        (answer({}, 429, {"Retry-After": "7"}), ModelUnavailable, "transient"),
        (answer({}, 500), ModelUnavailable, "transient"),
        (answer({}, 401), ModelRefused, "permanent"),
        (answer(b"<html>"), ModelUnavailable, "transient"),
        (hang, ModelUnavailable, "transient"),
        (reset, ModelUnavailable, "transient"),
    ],
)
def test_a_failed_call_is_recorded_as_what_it_is(
    server: ModelServer, database: Database, behaviour: Any, error: type[Exception], outcome: str
) -> None:
    server.behaviour = behaviour
    with pytest.raises(error):
        ask("gpt", "chat", "Hi")
    assert _calls(database) == [("gpt", "chat", outcome, None, None)]
    assert _error(database).startswith(error.__name__)


def test_wrong_calls_are_recorded_whatever_they_were_given(environment: Settings, database: Database) -> None:
    strange: Any = {"no": "name\x00"}
    for model, operation, input_, error in (
        ("nobody\x00\ud800", "embed", "text", ModelNotConfigured),
        (strange, "embed", "text", ModelNotConfigured),
        ("local", strange, "text", InvalidModelInput),
        ("local", "embed", 5, InvalidModelInput),
        ("local", "chat", "Hi", InvalidModelInput),
    ):
        with pytest.raises(error):
            ask(model, operation, input_)
    assert [(model, operation, outcome) for model, operation, outcome, *_ in _calls(database)] == [
        ("nobody\ufffd\ufffd", "embed", "permanent"),
        ("{'no': 'name\\x00'}", "embed", "permanent"),
        ("local", "{'no': 'name\\x00'}", "permanent"),
        ("local", "embed", "permanent"),
        ("local", "chat", "permanent"),
    ]


def test_the_recorded_error_is_bounded_fit_for_the_database_and_without_secrets(
    server: ModelServer, database: Database
) -> None:
    says = "\x00 key sk-very-secret at http://user:hunter2@host/ " + "x" * 5000
    server.behaviour = answer({"error": {"message": says}}, 400)
    with pytest.raises(ModelRefused):
        ask("gpt", "chat", "Hi")
    assert len(_error(database)) <= 500
    assert "sk-very-secret" not in _error(database)
    assert "hunter2" not in _error(database)


def test_a_call_that_is_interrupted_is_recorded(server: ModelServer, database: Database) -> None:
    def interrupt(_handler: Any, _request: Any) -> None:
        signal.raise_signal(signal.SIGUSR1)

    def on_signal(*_: Any) -> None:
        raise SoftTimeLimitExceeded

    server.behaviour = interrupt
    before = signal.signal(signal.SIGUSR1, on_signal)
    try:
        with pytest.raises(SoftTimeLimitExceeded):
            ask("gpt", "chat", "Hi")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert _calls(database) == [("gpt", "chat", "transient", None, None)]


def test_an_answer_that_cannot_be_recorded_is_not_given_and_may_heal(
    environment: Settings, database: Database
) -> None:
    database.execute("ALTER TABLE model_calls RENAME TO away")
    with pytest.raises(
        TransientError, match="'local' answered, but PostgreSQL could not record it: Undefined"
    ):
        ask("local", "embed", "text")
    database.execute("ALTER TABLE away RENAME TO model_calls")
    ask("local", "embed", "text")
    assert _calls(database) == [("local", "embed", "ok", 1, None)]


def test_why_a_model_failed_is_told_even_when_it_cannot_be_recorded(
    environment: Settings, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    database.execute("DROP TABLE model_calls")
    with pytest.raises(ModelNotConfigured):
        ask("nobody", "embed", "text")
    assert "a failed call could not be recorded" in caplog.text


def test_the_task_gives_the_output_alone(environment: Settings, database: Database) -> None:
    assert call_model.name == "omninode.models.call"
    assert call_model("local", "similarity", ["same", "same"]) == pytest.approx(1.0)
    assert call_model(model="local", operation="rank", input={"query": "a", "documents": ["a", "b"]},
                      options={"top_k": 1})[0]["document"] == "a"  # fmt: skip
    assert [operation for _, operation, *_ in _calls(database)] == ["similarity", "rank"]


@pytest.fixture
def app(environment: Settings) -> Iterator[Celery]:
    installed = install(Celery("tests", set_as_current=False))
    yield installed
    installed.close()


@pytest.fixture
def worker(server: ModelServer) -> Iterator[Worker]:
    endpoint = server.endpoint().model_dump(mode="json") | {"api_key": "sk-very-secret"}
    with start_worker(
        environment={"OMNINODE_MODELS": json.dumps({"gpt": endpoint})}, concurrency=1
    ) as running:
        yield running


def test_a_worker_calls_models_in_little_memory_and_asks_again_what_may_heal(
    worker: Worker, app: Celery, server: ModelServer, database: Database
) -> None:
    def call(*args: Any) -> Any:
        return app.send_task("omninode.models.call", args=args).get(timeout=30)

    assert call("local", "similarity", ["same", "same"]) == pytest.approx(1.0)
    server.behaviour = in_turn(
        answer({}, 503, {"Retry-After": "0"}), answer(b"<html>"), answer(completion("At last"))
    )
    assert call("gpt", "chat", "Hi") == {"text": "At last", "finish_reason": "stop"}
    server.behaviour = answer({}, 401)
    with pytest.raises(Exception, match="HTTP 401"):
        call("gpt", "chat", "Hi")
    assert [(model, outcome) for model, _, outcome, *_ in _calls(database)] == [
        ("local", "ok"),
        ("gpt", "transient"),
        ("gpt", "transient"),
        ("gpt", "ok"),
        ("gpt", "permanent"),
    ]
    (child,) = psutil.Process(worker.process.pid).children()
    assert child.memory_info().rss < 250_000_000
    assert "sk-very-secret" not in worker.log()
