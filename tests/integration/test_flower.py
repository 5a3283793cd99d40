"""Flower, as a process, on somebody's own app: its Broker page shows every place where a message can be."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from orchestrator import keys, redis
from orchestrator.dev.ports import LOOPBACK, free
from orchestrator.dev.stack import Addresses
from orchestrator.install import install
from orchestrator.queues import pausing
from orchestrator.settings import Settings
from tests.processes import start_worker, wait_until
from tests.servers import clean_redis, environment_of, fresh_database

_PREFIX = "acme:"
_SHOP = f"""
import time

from celery import Celery

from orchestrator.install import install

app = Celery("shop", broker_transport_options={{"global_keyprefix": "{_PREFIX}"}})
install(app)


@app.task(name="shop.bake")
def bake():
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def environment(stack: Addresses, template: str) -> Iterator[Settings]:
    with (
        clean_redis(stack.redis_url) as redis_url,
        fresh_database(stack.database_url, template) as database_url,
        environment_of(stack, redis_url, database_url) as settings,
    ):
        yield settings


@pytest.fixture(scope="module")
def shop(environment: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a process that runs the shop's app."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.py").write_text(_SHOP)
    return {"PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def app(environment: Settings) -> Iterator[Celery]:
    options = {"global_keyprefix": _PREFIX}
    with install(Celery("shop", set_as_current=False, broker_transport_options=options), environment) as made:
        yield made


@pytest.fixture(scope="module")
def port(shop: dict[str, str], app: Celery, environment: Settings) -> Iterator[int]:
    """Flower, beside a queue with messages in every place: in flight, because their worker was killed."""
    server = redis.connect(environment.redis_url)
    with start_worker("--queues", "orders", app="shop", environment=shop, concurrency=1) as worker:
        app.send_task("shop.bake", queue="orders")
        wait_until(lambda: server.hlen(keys.claims(_PREFIX)) == 1, what="the claim")
        os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait(10)
    for priority in (0, 9):
        app.send_task("shop.bake", queue="orders", priority=priority)
    for seconds in (600, 900, 900):
        app.send_task("shop.bake", queue="orders", countdown=seconds)
    server.hset(keys.aside_messages(_PREFIX), "one", f"{_PREFIX}orders\nraw")
    with app.connection_for_write() as connection:
        pausing.pause(connection.default_channel, ["orders"])
    with _flower("shop", shop | {"FLOWER_UNAUTHENTICATED_API": "true"}) as number:
        yield number


def test_the_broker_page_shows_what_waits_what_is_due_later_and_what_is_in_flight(port: int) -> None:
    status, page = _get(port, "/broker")

    assert status == 200
    queue, waiting, delayed, aside, in_flight, oldest, paused = _cells(page, "orders")
    assert (queue, waiting, delayed, aside, in_flight) == ("orders", "2", "3", "1", "1")
    assert paused == "paused"
    assert re.fullmatch(r"\d+ s", oldest)
    assert _cells(page, "hooks")[:4] == ["hooks", "0", "0", "0"]


def test_the_page_is_one_of_flower_s_own_with_its_headings(port: int) -> None:
    _, page = _get(port, "/broker")

    headings = re.findall(r"<th[^>]*>([^<]*)</th>", page)
    assert headings == ["Queue", "Waiting", "Delayed", "Set aside", "In flight", "Oldest in flight", "Paused"]
    assert 'aria-current="page">Broker' in page
    assert _get(port, "/workers")[0] == _get(port, "/tasks")[0] == 200


def test_programs_are_told_the_same_figures(port: int) -> None:
    """Of queues that a worker serves or the app declares, as Flower has it."""
    _, answer = _get(port, "/api/queues/length")

    queues: list[dict[str, Any]] = json.loads(answer)["active_queues"]
    assert {"celery", "hooks", "models"} <= {each["name"] for each in queues}
    assert {key for each in queues for key in each} >= {
        "name",
        "messages",
        "delayed",
        "aside",
        "in_flight",
        "paused",
    }


def test_a_broker_that_is_away_is_said_in_a_sentence_without_its_password(shop: dict[str, str]) -> None:
    nobody = {"REDIS_URL": f"redis://:hunter2@{LOOPBACK}:1/0"}
    with _flower("shop", shop | nobody) as port:
        status, page = _get(port, "/broker")

    assert status == 503
    assert "The broker cannot be asked" in page
    assert "hunter2" not in page


@contextmanager
def _flower(app: str, environment: dict[str, str]) -> Iterator[int]:
    """A Flower that answers; yields its port."""
    (port,) = free(1)
    log = Path(environment["PYTHONPATH"]) / f"flower-{port}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", app, "flower", f"--address={LOOPBACK}", f"--port={port}"],
            stdout=file,
            stderr=file,
            env=os.environ | environment,
        )
    try:
        wait_until(lambda: _answers(process, port, log), 40.0, "Flower's start")
        yield port
    finally:
        process.kill()
        process.wait(10)


def _answers(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text(errors="replace")
    try:
        return _get(port, "/healthcheck") == (200, "OK")
    except (OSError, HTTPException):
        return False


def _get(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection(LOOPBACK, port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _cells(page: str, queue: str) -> list[str]:
    row = re.search(rf'<tr id="{queue}">(.*?)</tr>', page, re.DOTALL)
    assert row, page
    return [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row[1])]
