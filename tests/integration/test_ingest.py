"""`omninode hooks ingest` and `omninode hooks stats`: what is sent, what is said, and how they end."""

import json
import os
import signal
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator import redis
from orchestrator.dev.processes.interrupts import Interrupts
from orchestrator.dev.report import silent
from orchestrator.dev.servers import redis as redis_server
from orchestrator.dev.supervisor import Supervisor, supervising
from orchestrator.settings import Settings
from tests.commands import omninode
from tests.own_postgres import own_postgres
from tests.processes import wait_until

OMNINODE = str(Path(sys.executable).parent / "omninode")
NOBODY = "127.0.0.1:1"
LINE = '{"event": "push", "payload": {"n": %d}}\n'


def _waiting(url: str) -> list[dict[str, Any]]:
    """The hooks in the queue, oldest first."""
    with redis.connect(url) as client:
        messages = [json.loads(message) for message in client.lrange("hooks", 0, -1)]
    return [json.loads(b64decode(message["body"]))[0][0] for message in reversed(messages)]


def _length(url: str) -> int:
    with redis.connect(url) as client:
        return int(client.llen("hooks"))


@contextmanager
def _ingesting(*options: str) -> Iterator[subprocess.Popen[str]]:
    """An ingest of standard input, which is written to as it goes."""
    process = subprocess.Popen(
        [OMNINODE, "hooks", "ingest", "-", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _write(process: subprocess.Popen[str], *numbers: int) -> None:
    assert process.stdin
    process.stdin.write("".join(LINE % number for number in numbers))
    process.stdin.flush()


def test_every_line_is_sent_and_what_is_no_hook_is_reported_with_its_number(environment: Settings) -> None:
    lines = [
        '{"event": "push", "payload": {}, "source": "shop", "delivery_id": "d-1"}',
        "",
        "{not json}",
        "[]",
        '{"event": "push"}',
        '{"event": "push", "payload": {"a": "\\u0000\\ud800"}}',
        '{"event": "push", "payload": {"a": NaN}}',
    ]
    done = omninode("hooks", "ingest", "-", "--no-wait", "--json", stdin="\n".join(lines))

    report = json.loads(done.stdout)
    assert done.code == 1
    assert {name: report[name] for name in ("read", "refused", "sent", "new", "unsettled")} == {
        "read": 6,
        "refused": 4,
        "sent": 2,
        "new": 2,
        "unsettled": 2,
    }
    assert [line.partition(" is refused: ")[::2] for line in done.stderr.splitlines()] == [
        ("line 3", "not JSON: Expecting property name enclosed in double quotes at character 2"),
        ("line 4", 'a hook is {"event", "payload"[, "source", "delivery_id"]}, an object; found a list'),
        ("line 5", '`payload` is missing: a hook is {"event", "payload"[, "source", "delivery_id"]}'),
        ("line 7", "`payload` cannot be written as JSON: Out of range float values are not JSON compliant"),
    ]
    sent = _waiting(environment.redis_url)
    assert sent[0] == {"event": "push", "payload": {}, "source": "shop", "delivery_id": "d-1"}
    assert sent[1]["payload"] == {"a": "\0\ud800"}


def test_bytes_that_are_no_text_and_lines_that_are_too_long_are_refused(
    environment: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "hooks.jsonl"
    long = b'{"event": "push", "payload": {"a": "' + b"x" * 5_000_000 + b'"}}'
    deep = b'{"event": "push", "payload": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}"
    file.write_bytes(b"\n".join([b"\xff\xfe\xfd", long, deep, b"\xef\xbb\xbf" + (LINE % 1).encode()]))

    done = omninode("hooks", "ingest", str(file), "--no-wait", "--json")

    report = json.loads(done.stdout)
    assert (done.code, report["refused"], report["sent"]) == (1, 3, 1)
    refused = done.stderr.splitlines()
    assert refused[0].startswith("line 1 is refused: not JSON: 'utf-8' codec can't decode")
    assert refused[1] == (
        "line 2 is refused: the line has 5,000,040 bytes; a payload may have 4,194,304 "
        "(OMNINODE_HOOK_MAX_BYTES)"
    )
    assert refused[2].startswith("line 3 is refused: ")
    assert len(refused) == 3


def test_the_limit_can_be_set(environment: Settings) -> None:
    stdin = json.dumps({"event": "push", "payload": {"a": "x" * 2000}})
    done = omninode(
        "hooks", "ingest", "-", "--no-wait", stdin=stdin, environment={"OMNINODE_HOOK_MAX_BYTES": "1024"}
    )
    assert done.code == 1
    assert "at most 1,024 bytes of JSON (OMNINODE_HOOK_MAX_BYTES); found 2,008" in done.stderr


def test_the_same_input_again_sends_the_same_ids_and_equal_lines_have_different_ones(
    environment: Settings,
) -> None:
    stdin = LINE % 1 + LINE % 2 + LINE % 1
    for _ in range(2):
        assert omninode("hooks", "ingest", "-", "--no-wait", stdin=stdin).code == 0

    ids = [hook["delivery_id"] for hook in _waiting(environment.redis_url)]
    assert ids[:3] == ids[3:]
    assert len(set(ids)) == 3


def test_a_file_that_is_not_there_is_wrong_use(environment: Settings) -> None:
    done = omninode("hooks", "ingest", "/no/such/file.jsonl")
    assert done.code == 2
    assert "No such file" in done.stderr


def test_an_empty_input_is_well_ingested(environment: Settings) -> None:
    done = omninode("hooks", "ingest", "-", stdin="\n\n")
    assert (done.code, done.stdout[:22]) == (0, "0 read, 0 refused, 0 s")


@pytest.mark.parametrize(
    ("away", "sentence"),
    [
        (
            {"REDIS_URL": f"redis://:secret@{NOBODY}/0"},
            f"Error: the broker at redis://:**@{NOBODY}/0 cannot be",
        ),
        (
            {"DATABASE_URL": f"postgresql://me:secret@{NOBODY}/db"},
            f"Error: PostgreSQL does not answer at postgresql://me:****@{NOBODY}/db",
        ),
    ],
)
def test_a_server_that_is_away_at_the_start_is_a_sentence(
    environment: Settings, away: dict[str, str], sentence: str
) -> None:
    done = omninode("hooks", "ingest", "-", stdin=LINE % 1, environment=away)
    assert done.code == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_without_a_worker_the_wait_ends_with_a_sentence(environment: Settings) -> None:
    done = omninode("hooks", "ingest", "-", "--patience", "0.5", "--json", stdin=LINE % 1 + LINE % 2)
    assert done.code == 1
    assert json.loads(done.stdout)["unsettled"] == 2
    assert done.stderr.splitlines() == [
        "stopped: nothing moved for 0.5s: 2 hooks are sent and not settled; is a worker running?",
        "It got to line 2; running it again is safe.",
    ]


def test_a_full_queue_is_not_made_fuller(environment: Settings) -> None:
    stdin = "".join(LINE % number for number in range(100))
    done = omninode("hooks", "ingest", "-", "--max-queued", "10", "--patience", "0.5", stdin=stdin)
    assert done.code == 1
    assert "10 messages stay in the queue hooks; is a worker running?" in done.stderr
    assert "It got to line 10" in done.stderr
    assert _length(environment.redis_url) == 10


def test_room_in_the_queue_is_used_and_never_more_than_that(environment: Settings) -> None:
    taken = 0
    with (
        redis.connect(environment.redis_url) as client,
        _ingesting("--max-queued", "10", "--no-wait") as process,
    ):
        _write(process, *range(200))
        assert process.stdin
        process.stdin.close()
        while process.poll() is None or client.llen("hooks"):
            assert client.llen("hooks") <= 10
            taken += client.rpop("hooks") is not None
        assert (taken, process.wait(20)) == (200, 0)


def test_a_line_is_sent_as_soon_as_it_is_there(environment: Settings) -> None:
    with _ingesting("--no-wait") as process:
        _write(process, 1)
        wait_until(lambda: _length(environment.redis_url) == 1, what="the first line's arrival")
        _write(process, 2)
        wait_until(lambda: _length(environment.redis_url) == 2, what="the second line's arrival")
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


def test_ctrl_c_says_how_far_it_got(environment: Settings) -> None:
    with _ingesting("--json") as process:
        _write(process, 1, 2, 3)
        wait_until(lambda: _length(environment.redis_url) == 3, what="the lines' arrival")
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert json.loads(out)["sent"] == 3
    assert errors == "interrupted\nIt got to line 3; running it again is safe.\n"


@contextmanager
def _own_redis() -> Iterator[tuple[Supervisor, str]]:
    with supervising(None, silent, "a test", Interrupts()) as supervisor:
        started = supervisor.start({redis_server.NAME: redis_server.start(supervisor.site)})
        yield supervisor, started[redis_server.NAME]


def _stop_redis(supervisor: Supervisor) -> None:
    child = supervisor.site.children.living[redis_server.NAME]
    os.kill(child.pid, signal.SIGTERM)
    wait_until(child.has_ended, what="Redis's end")
    supervisor.site.children.forget(child)


def test_a_broker_that_comes_back_is_waited_for(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _own_redis() as (supervisor, url):
        monkeypatch.setenv("REDIS_URL", url)
        with _ingesting("--no-wait", "--json") as process:
            _write(process, 1)
            wait_until(lambda: _length(url) == 1, what="the first line's arrival")
            _stop_redis(supervisor)
            _write(process, 2, 3)
            assert process.stderr
            told = process.stderr.readline()
            supervisor.start({redis_server.NAME: redis_server.start(supervisor.site)})
            out, errors = process.communicate(timeout=30)
        assert told.startswith("the broker does not answer (")
        assert told.endswith("; trying again for 1m\n")
        assert (process.returncode, errors, json.loads(out)["sent"]) == (0, "", 3)
        assert [hook["payload"] for hook in _waiting(url)] == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_broker_that_stays_away_ends_the_ingest_with_its_line(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _own_redis() as (supervisor, url):
        monkeypatch.setenv("REDIS_URL", url)
        with _ingesting("--patience", "0.5") as process:
            _write(process, 1)
            wait_until(lambda: _length(url) == 1, what="the first line's arrival")
            _stop_redis(supervisor)
            _write(process, 2, 3)
            _, errors = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "stopped: nothing moved for 0.5s: the broker does not answer (" in errors
        assert errors.endswith("It got to line 1; running it again is safe.\n")
        assert "Traceback" not in errors


@pytest.mark.parametrize("stdin_after", [(), (2,)])
def test_postgresql_that_is_frozen_ends_the_ingest_when_its_patience_does(
    environment: Settings, monkeypatch: pytest.MonkeyPatch, stdin_after: tuple[int, ...]
) -> None:
    with own_postgres() as postgres:
        monkeypatch.setenv("DATABASE_URL", postgres.url)
        with _ingesting("--patience", "2") as process:
            _write(process, 1)
            wait_until(lambda: _length(environment.redis_url) == 1, what="the first line's arrival")
            with postgres.frozen():
                _write(process, *stdin_after)
                out, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    # It may notice before it reads the second line or after.
    assert " read, 0 refused, 1 sent" in out
    assert "stopped: nothing moved for 2s: PostgreSQL does not answer (" in errors
    assert errors.endswith("It got to line 1; running it again is safe.\n")
    assert "Traceback" not in errors


def test_stats_of_an_empty_database_are_zeros(environment: Settings) -> None:
    zeros = {"received": 0, "processed": 0, "unhandled": 0, "failed": 0, "duplicates": 0}
    for options in ([], ["--json"]):
        done = omninode("hooks", "stats", *options)
        assert (done.code, json.loads(done.stdout)) == (0, zeros)


def test_stats_without_a_database_are_a_sentence(environment: Settings) -> None:
    done = omninode("hooks", "stats", environment={"DATABASE_URL": f"postgresql://me@{NOBODY}/db"})
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: PostgreSQL does not answer at")
