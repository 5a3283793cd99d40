"""A worker says which schema of the keys it knows, and leaves a broker alone where a newer one was."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from orchestrator import keys, settings
from orchestrator.errors import SchemaError
from orchestrator.install import install
from orchestrator.transport import version
from tests.own_redis import OwnRedis, own_redis
from tests.processes import start_worker, wait_until

_APP = "tests.acceptance.connection_tasks"
_PREFIX = "shop:"


@pytest.fixture(scope="module")
def running() -> Iterator[OwnRedis]:
    with own_redis() as started:
        yield started


@pytest.fixture
def server(running: OwnRedis) -> Iterator[OwnRedis]:
    yield running
    running.client.config_set("maxmemory", 0)
    running.client.flushall()


@pytest.fixture
def app(server: OwnRedis) -> Iterator[Celery]:
    with install(Celery("versions", set_as_current=False), settings.Settings(redis_url=_url(server))) as made:
        yield made
    settings.forget()


@pytest.fixture
def channel(app: Celery) -> Iterator[Any]:
    app.conf.broker_transport_options = {"global_keyprefix": _PREFIX}
    with app.connection_for_write() as connection:
        yield connection.default_channel


def test_a_worker_that_meets_a_newer_schema_stops_with_a_sentence_and_claims_nothing(
    server: OwnRedis, app: Celery
) -> None:
    server.client.set("omninode:schema", "2")
    app.send_task("connections.good")
    before = _contents(server)

    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", _APP, "worker", "--concurrency", "1"],
        env=os.environ | {"REDIS_URL": _url(server)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert (
        f"@127.0.0.1:{server.port}/0 are of schema 2 (says omninode:schema), and this release "
        "knows 1: start the OmniNode that wrote them, or use another Redis; nothing was touched"
    ) in done.stderr
    assert "Traceback" not in done.stderr
    assert _contents(server) == before


def test_a_worker_that_meets_a_newer_schema_when_it_connects_again_ends_as_well(server: OwnRedis) -> None:
    with start_worker(app=_APP, environment={"REDIS_URL": _url(server)}, fresh=True) as worker:
        assert server.client.get("omninode:schema") == "1"
        # Ready it says a moment before it claims: of a connection that it has not made it can lose none.
        wait_until(lambda: server.client.exists(keys.pulse()), what="its first claim")
        server.client.set("omninode:schema", "2")
        server.client.client_kill_filter(_type="normal")

        wait_until(lambda: worker.process.poll() is not None, 30.0, "the worker's end")

    assert worker.process.returncode == 1


@pytest.mark.parametrize("found", [None, "0", "1"])
def test_a_worker_writes_its_schema_where_an_older_one_or_none_stands(
    server: OwnRedis, channel: Any, found: str | None
) -> None:
    if found:
        server.client.set("shop:omninode:schema", found)

    version.agree(channel)

    assert server.client.get("shop:omninode:schema") == "1"


@pytest.mark.parametrize("found", ["2", "10", "one"])
def test_a_schema_is_never_lowered(server: OwnRedis, channel: Any, found: str) -> None:
    server.client.set("shop:omninode:schema", found)

    with pytest.raises(SchemaError, match=f"of schema {found} "):
        version.agree(channel)

    assert server.client.get("shop:omninode:schema") == found


def test_a_full_redis_keeps_no_worker_from_starting(server: OwnRedis, channel: Any) -> None:
    server.client.config_set("maxmemory", 1)

    version.agree(channel)

    assert server.client.get(keys.schema(_PREFIX)) == "1"


def _url(server: OwnRedis) -> str:
    return f"redis://127.0.0.1:{server.port}/0"


def _contents(server: OwnRedis) -> dict[str, object]:
    return {key: server.client.dump(key) for key in server.client.scan_iter()}
