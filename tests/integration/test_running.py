"""What runs is shown to the fleet, by every process, for as long as that lives; an idle one asks nothing."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from orchestrator import keys, redis, settings
from orchestrator.cli import cli
from orchestrator.dev.ports import free
from orchestrator.dev.stack import Addresses
from orchestrator.settings import Settings
from orchestrator.timeouts import fleet, sheet
from orchestrator.timeouts.adaptive import Adaptive
from orchestrator.timeouts.running import Running
from orchestrator.timeouts.sheet import Sheet
from tests.processes import wait_until
from tests.servers import clean_redis

# Runs the operations that its arguments name since ten seconds ago, until a line comes; "fork" forks a child.
PROGRAM = """
import logging, os, sys, time
from orchestrator.timeouts.running import Running, table

logging.basicConfig(level=logging.INFO, stream=sys.stdout)

def begin(name):
    began = time.monotonic() - 10
    entry = Running("operation", name, began, time.time() - 10, limit_at=began + 40, ends_at=began + 50)
    table.enter(entry)
    return entry

print(os.getpid(), flush=True)
begun = [begin(name) for name in sys.argv[1:]]
for line in sys.stdin:
    match line.split():
        case ["end"]:
            for entry in begun:
                table.leave(entry)
        case ["fork", name]:
            if not (child := os.fork()):
                begin(name)
                time.sleep(60)
            print(child, flush=True)
        case ["churn"]:
            for _ in range(20_000):
                entry = Running("operation", "short", time.monotonic(), time.time())
                table.enter(entry)
                table.leave(entry)
            time.sleep(0.6)
            print("churned", flush=True)
        case ["exit"]:
            sys.exit()
"""


class Program:
    """A process that runs operations."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.pid = int(self.answer())

    def answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def tell(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()


@pytest.fixture(scope="module")
def _module_redis(stack: Addresses) -> Iterator[str]:
    with clean_redis(stack.redis_url) as url:
        yield url


@pytest.fixture
def chosen(_module_redis: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("REDIS_URL", _module_redis)
    yield settings.use(settings.load())
    settings.forget()


@pytest.fixture
def client(chosen: Settings) -> Iterator[Any]:
    with redis.connect(chosen.redis_url) as connected:
        connected.flushdb()
        yield connected


@contextmanager
def program(*names: str, **environment: str) -> Iterator[Program]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | environment,
        text=True,
    )
    with process:
        try:
            yield Program(process)
        finally:
            process.kill()


def seen(client: Any) -> dict[str, int]:
    return {each.name: each.pid for each in fleet.read(client).entries}


def test_all_processes_are_seen_and_are_gone_when_they_are(client: Any) -> None:
    with program("first") as one, program("second") as other:
        one.tell("fork third")
        child = int(one.answer())
        wait_until(lambda: len(seen(client)) == 3, what="all operations")

        assert seen(client) == {"first": one.pid, "second": other.pid, "third": child}
        assert len(fleet.read(client).processes) == 3

        os.kill(child, 9)
        one.tell("exit")
        other.tell("end")
        one.process.wait(10)
        wait_until(lambda: seen(client) == {"third": child}, what="the end of two")
        left = client.keys("*")

        # The killed one could take nothing back: its word ends by itself.
        assert min(map(client.pttl, left)) in range(-1, 6001)
        assert len(left) == 2
        client.delete(*(key for key in left if key != keys.running_processes()))
        assert fleet.read(client) == fleet.Fleet([], [])


def test_what_is_over_within_a_second_costs_no_command_and_no_connection(client: Any) -> None:
    with program() as one:
        one.tell("churn")

        assert one.answer() == "churned"
        # It has not even connected.
        assert psutil.Process(one.pid).net_connections() == []
        assert client.keys("*") == []


def test_a_process_without_redis_goes_on_and_says_so_once() -> None:
    with program("first", REDIS_URL=f"redis://127.0.0.1:{free(1)[0]}/0") as one:
        said = one.answer()
        one.tell("exit")
        rest = one.process.stdout.read() if one.process.stdout else ""

        assert one.process.wait(10) == 0
    assert "running_not_shown" in said
    assert rest == ""


def entry(name: str, seconds_ago: float = 5.0, **more: Any) -> Running:
    began = time.monotonic() - seconds_ago
    return Running(more.pop("kind", "operation"), name, began, time.time() - seconds_ago, **more)


@pytest.fixture
def written(chosen: Settings, client: Any) -> Iterator[Callable[..., Sheet]]:
    sheets = []

    def write(*entries: Running) -> Sheet:
        sheets.append(Sheet())
        sheets[-1].write(entries, chosen)
        return sheets[-1]

    yield write
    for each in sheets:
        each.write([], chosen)
    assert client.keys("*") == []


def test_a_process_tells_of_its_oldest_thousand_and_how_many_more_there_are(
    client: Any, written: Callable[..., Sheet]
) -> None:
    written(*(entry(f"{number}", 2000 - number) for number in range(1003)))

    found = fleet.read(client)

    assert [each.name for each in found.entries] == [str(number) for number in range(1000)]
    assert [each.left_out for each in found.processes] == [3]


def test_a_name_that_was_given_twice_is_two_processes(client: Any, written: Callable[..., Sheet]) -> None:
    written(entry("a"))
    written(entry("a"))

    assert [each.name for each in fleet.read(client).entries] == ["a", "a"]


def test_what_cannot_be_read_is_passed_over(client: Any, written: Callable[..., Sheet]) -> None:
    written(entry("a"))
    broken = ["{", "[]", '{"host": "h"}', json.dumps({"host": "", "pid": 1, "worker": "", "left_out": 0})]
    for number, text in enumerate([*broken, "[" * 100_000]):
        client.set(keys.running(f"broken-{number}"), text, ex=5)
        client.zadd(keys.running_processes(), {f"broken-{number}": time.time()})

    found = fleet.read(client)
    client.delete(*client.keys(keys.running("broken-*")))
    client.zremrangebyrank(keys.running_processes(), 0, -1)

    assert [each.name for each in found.entries] == ["a"]


@pytest.fixture
def run(client: Any) -> Callable[..., Any]:
    def invoke(*arguments: str, code: int = 0, columns: int = 160) -> Any:
        result = CliRunner().invoke(cli, ["running", *arguments], env={"COLUMNS": f"{columns}"})
        assert result.exit_code == code, result.output
        return result

    return invoke


def test_the_command_shows_who_runs_what_and_marks_what_is_near_its_limit(
    run: Callable[..., Any], written: Callable[..., Sheet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.timeouts.running.worker_name", "shop@host")
    now = time.monotonic()
    written(
        entry("fetch token=hunter2", 81, limit_at=now + 19, ends_at=now + 49),
        entry("shop.pay", 30, kind="task", task_id="an-id", pid=7, limit_at=now + 270, ends_at=now + 300),
    )

    first, second = run().output.splitlines()[1:]
    assert "hunter2" not in first
    assert first.split()[-6:] == ["21s", "1m", "40s", "operation", "81%!", "running"]
    assert second.split()[:4] == ["shop.pay", "an-id", "shop@host", "7"]
    assert second.split()[-5:] == ["5m", "0s", "soft", "10%", "running"] or "5m soft" in second
    assert run("--near").output.count("\n") == 2
    assert run("--task", "shop.pay").output.count("\n") == 2
    assert "1 more" in run("--limit", "1").stderr
    told = json.loads(run("--json").output)
    assert [(each["limit"], round(each["limit_seconds"])) for each in told["running"]] == [
        ("operation", 100),
        ("soft", 300),
    ]
    assert told["found"] == 2
    assert [each["worker"] for each in told["processes"]] == ["shop@host"]


def test_a_row_fits_into_eighty_columns(
    run: Callable[..., Any], written: Callable[..., Sheet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.timeouts.running.worker_name", "shop-worker@host.example.internal")
    now, more = time.monotonic(), {"kind": "task", "task_id": "an-id" * 7, "deadline": time.time() + 3600}
    written(entry("shop.pay_the_invoice", 30, pid=471_123, limit_at=now + 270, ends_at=now + 300, **more))

    for width in (80, 100, 120):
        header, row = run(columns=width).output.splitlines()
        assert len(row) <= width
        assert row.startswith("shop.pay_the_invoice  ")
        assert header.startswith("what  ")
    assert f"shop.pay_the_invoice {'an-id' * 7}  " in run(columns=200).output


def test_a_limit_is_told_apart_from_the_deadline(
    run: Callable[..., Any], written: Callable[..., Sheet]
) -> None:
    # Of a task with `deadline=60`, which is told to stop before that.
    now, at = time.monotonic(), time.time() + 50
    clock = time.strftime("%H:%M:%S", time.gmtime(at))
    for name, limit_at in (("a.told", now + 44.3), ("b.late", now - 1)):
        more = {"kind": "task", "limit_at": limit_at, "ends_at": now + 50, "deadline": at}
        written(entry(name, 10, **more))
    written(entry("c.read", 10, limit_at=now - 1, ends_at=now + 10, deadline=at))

    told, late, read = sorted(run().output.splitlines()[1:])

    assert f"  54s soft, deadline {clock}  " in told
    assert f"  1m deadline {clock}  " in late
    # It is past its limit, so that it is marked whatever it has used of the time to its end.
    assert f"  20s grace, deadline {clock}  " in read
    assert read.split()[-2:] == ["50%!", "grace"]


def test_the_command_explains_adaptive_limits(run: Callable[..., Any], written: Callable[..., Sheet]) -> None:
    timeout = Adaptive(0.5, 60.0, clock=lambda: 1_780_000_000.0)
    for _ in range(200):
        timeout.observe(1.0, timed_out=False)
    written(entry("fetch", 1.5, limit_at=time.monotonic() + 0.5, explained=timeout.explained()))

    _, _, note = run("--explain").output.splitlines()

    assert note.strip() == (
        "2 s, twice p99, since 2026-05-28 20:26:40 UTC: p99 1 s of 200 runs, 0.0% timed out"
    )


def test_the_command_says_that_nothing_runs(run: Callable[..., Any]) -> None:
    assert run().output == "nothing runs\n"
    assert json.loads(run("--json").output) == {"running": [], "found": 0, "processes": []}


def test_the_command_says_that_redis_is_away(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free(1)[0]}/0")
    settings.use(settings.load())

    assert "Redis does not answer" in run(code=1).stderr


def test_a_word_lives_for_six_seconds() -> None:
    assert sheet.LIVES_SECONDS == 6


def test_of_a_task_that_nothing_would_stop_the_deadline_alone_is_shown(
    client: Any, written: Callable[..., Sheet]
) -> None:
    now = time.time()
    written(Running("task", "in a thread", time.monotonic() - 5, now - 5, deadline=now + 5))

    (shown,) = fleet.read(client).entries
    assert (shown.limit, shown.limit_seconds, shown.percent, shown.deadline) == ("", None, None, now + 5)
