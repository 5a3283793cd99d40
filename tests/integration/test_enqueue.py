import json
from pathlib import Path

import pytest

from orchestrator import redis
from orchestrator.settings import Settings
from tests.commands import omninode


def _waiting(settings: Settings, queue: str) -> list[dict[str, object]]:
    messages = redis.connect(settings.redis_url).lrange(queue, 0, -1)
    return [json.loads(message)["headers"] for message in reversed(messages)]


def test_a_task_is_put_into_its_own_queue(environment: Settings) -> None:
    done = omninode("enqueue", "omninode.models.call", "--args", '["local", "embed", "text"]')

    (message,) = _waiting(environment, "models")
    assert (done.code, done.stdout.strip()) == (0, message["id"])
    assert message["argsrepr"] == "['local', 'embed', 'text']"


def test_many_tasks_are_enqueued_in_order_and_bad_lines_are_named(
    environment: Settings, tmp_path: Path
) -> None:
    lines = tmp_path / "calls.jsonl"
    lines.write_text(
        '{"args": ["local", "embed", "first"]}\n'
        "\n"
        "{not json}\n"
        '{"args": "local"}\n'
        '{"kwargs": {"model": "local"}}\n'
        '{"kwargs": {"model": "local", "operation": "embed", "input": "last"}}\n'
    )

    done = omninode("enqueue", "omninode.models.call", "--many", str(lines), "--json")

    report = json.loads(done.stdout)
    assert (done.code, len(report["ids"]), len(report["refused"])) == (1, 2, 3)
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["line 3", "line 4", "line 5"]
    assert [message["id"] for message in _waiting(environment, "models")] == report["ids"]


def test_an_unknown_task_is_refused_with_the_nearest_names(environment: Settings) -> None:
    done = omninode("enqueue", "omninode.model.call")

    assert done.code == 2
    assert "no task is called 'omninode.model.call'; did you mean omninode.models.call" in done.stderr
    assert _waiting(environment, "models") == []


def test_a_foreign_task_is_sent_as_it_is(environment: Settings) -> None:
    done = omninode("enqueue", "elsewhere.work", "--foreign", "--queue", "elsewhere", "--kwargs", '{"n": 1}')

    (message,) = _waiting(environment, "elsewhere")
    assert (done.code, message["task"], message["kwargsrepr"]) == (0, "elsewhere.work", "{'n': 1}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--args", '{"a": 1}'], "args must be a JSON array"),
        (["--kwargs", "[1]"], "kwargs must be a JSON object"),
        (["--args", "[1"], "not JSON"),
        (["--args", "[1]"], "missing 2 required positional arguments"),
        (["--many", "/nowhere"], "No such file"),
    ],
)
def test_a_wrong_call_is_refused_with_a_reason(
    environment: Settings, arguments: list[str], said: str
) -> None:
    done = omninode("enqueue", "omninode.models.call", *arguments)

    assert done.code == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broker_that_is_away_is_a_sentence(environment: Settings) -> None:
    done = omninode(
        "enqueue",
        "omninode.models.call",
        "--args",
        '["local", "embed", "text"]',
        environment={"REDIS_URL": "redis://127.0.0.1:1/0"},
    )

    assert done.code == 1
    assert "the broker does not answer" in done.stderr
    assert "Traceback" not in done.stderr
