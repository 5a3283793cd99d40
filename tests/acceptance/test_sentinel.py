"""A broker behind a Sentinel: its master dies, another takes over, and nothing is lost or run twice."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from celery import Celery

from orchestrator import keys, redis, settings
from orchestrator.dev.stack import Addresses
from orchestrator.install import install
from tests.own_redis import OwnRedis, own_redis
from tests.processes import start_worker, wait_until
from tests.servers import clean_redis

_LEASE_SECONDS = 3


@pytest.fixture
def servers() -> Iterator[tuple[OwnRedis, OwnRedis, OwnRedis]]:
    """The master, its replica, and a Sentinel that knows both."""
    with ExitStack() as stack:
        master = stack.enter_context(own_redis())
        replica = stack.enter_context(own_redis(f"replicaof 127.0.0.1 {master.port}"))
        wait_until(lambda: replica.client.info("replication")["master_link_status"] == "up", what="a replica")
        sentinel = stack.enter_context(
            own_redis(
                f"sentinel monitor main 127.0.0.1 {master.port} 1",
                "sentinel down-after-milliseconds main 500",
                "sentinel failover-timeout main 5000",
                sentinel=True,
            )
        )
        wait_until(lambda: sentinel.client.sentinel_slaves("main"), 30.0, "a Sentinel that knows the replica")
        yield master, replica, sentinel


@pytest.fixture
def results(stack: Addresses) -> Iterator[str]:
    """The Redis of results: it is another one, and stays."""
    with clean_redis(stack.redis_url) as url:
        yield url


@pytest.fixture
def environment(servers: tuple[OwnRedis, OwnRedis, OwnRedis], results: str) -> dict[str, str]:
    return {
        "REDIS_URL": results,
        "CELERY_BROKER_URL": f"sentinel://127.0.0.1:{servers[2].port}/1",
        "OMNINODE_LEASE_SECONDS": str(_LEASE_SECONDS),
        "OMNINODE_SENTINEL_MASTER": "main",
    }


@pytest.fixture
def app(environment: dict[str, str]) -> Iterator[Celery]:
    made = Celery("sentinel", set_as_current=False)
    made.conf.broker_transport_options = {"master_name": "main"}
    chosen = settings.Settings(
        redis_url=environment["REDIS_URL"], celery_broker_url=environment["CELERY_BROKER_URL"]
    )
    with install(made, chosen):
        yield made
    settings.forget()


def test_a_failover_loses_nothing_and_runs_nothing_twice(
    servers: tuple[OwnRedis, OwnRedis, OwnRedis], environment: dict[str, str], app: Celery
) -> None:
    master, replica, sentinel = servers
    with (
        start_worker(app="tests.acceptance.connection_tasks", environment=environment, concurrency=1),
        redis.connect(environment["REDIS_URL"]) as starts,
    ):
        slow = app.send_task("connections.slow", args=[2.5 * _LEASE_SECONDS])
        held = [app.send_task("connections.good") for _ in range(3)]
        later = app.send_task("connections.good", countdown=2)
        wait_until(lambda: starts.hget("connections:starts", slow.id), what="the task's start")
        _replicate(master)

        master.kill()
        wait_until(
            lambda: sentinel.client.sentinel_get_master_addr_by_name("main") == ("127.0.0.1", replica.port),
            30.0,
            "the failover",
        )
        wait_until(lambda: replica.client.info("replication")["role"] == "master", what="the new master")
        sent = app.send_task("connections.good")

        assert slow.get(timeout=60) == "slow"
        assert [each.get(timeout=60) for each in (*held, later, sent)] == ["good"] * 5
        assert starts.hgetall("connections:starts") == {slow.id: "1"}
        wait_until(lambda: _left(replica) == 0, what="an empty broker")


def _replicate(master: OwnRedis) -> None:
    master.client.set("probe", "1")
    assert master.client.wait(1, 10_000) == 1


def _left(server: OwnRedis) -> int:
    with server.database(1) as client:
        numbers = (
            client.hlen(keys.claims()),
            client.zcard(keys.leases()),
            client.scard(keys.started()),
            client.zcard(keys.delayed()),
            client.llen("celery"),
        )
        return sum(numbers)
