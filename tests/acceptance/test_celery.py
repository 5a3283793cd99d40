"""Celery's own commands and Flower work with the environment that `omninode stack start` prints."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from orchestrator.dev import ports
from tests.commands import omninode
from tests.processes import Worker, start_worker, wait_until

_CELERY = [sys.executable, "-m", "celery", "-A", "orchestrator"]
# What Flower's page of tasks asks for.
_LIST = "/tasks/datatable?draw=1&start=0&length=10&order[0][column]=0&order[0][dir]=asc&columns[0][data]=name"


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a stack of its own, as it was printed."""
    place = {"TMPDIR": str(tmp_path_factory.mktemp("stack"))}
    started = omninode("stack", "start", "--json", environment=place, within_seconds=200)
    try:
        assert started.code == 0, started.stderr
        yield {name.upper(): address for name, address in json.loads(started.stdout).items()}
    finally:
        assert omninode("stack", "stop", environment=place).code == 0


@pytest.fixture(scope="module")
def worker(printed: dict[str, str]) -> Iterator[Worker]:
    with start_worker("-E", environment=printed, fresh=True) as running:
        yield running


@pytest.fixture
def flower(printed: dict[str, str], worker: Worker, tmp_path: Path) -> Iterator[str]:
    """The URL of a Flower that has heard of the worker."""
    (port,) = ports.free(1)
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [*_CELERY, "flower", "--address=127.0.0.1", f"--port={port}"],
        env=os.environ | printed,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_until(lambda: _knows(url, worker), 30.0, "Flower's first news of the worker")
            yield url
        finally:
            process.terminate()


def _celery(*arguments: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        [*_CELERY, *arguments],
        # Not the repository's folder: the installed package is what is asked for.
        cwd="/",
        env=os.environ | dict(environment),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _ask(url: str) -> Any:
    with urlopen(url, timeout=5) as answer:  # noqa: S310 (it is http://127.0.0.1)
        return json.load(answer)


def _knows(url: str, worker: Worker) -> bool:
    try:
        return worker.node in [each["hostname"] for each in _ask(f"{url}/workers?json=1")["data"]]
    except URLError:
        return False


def test_inspect_ping_is_answered_by_the_worker(printed: dict[str, str], worker: Worker) -> None:
    assert json.loads(_celery("inspect", "ping", "--json", environment=printed)) == {
        worker.node: {"ok": "pong"}
    }


def test_status_shows_the_worker(printed: dict[str, str], worker: Worker) -> None:
    shown = _celery("status", environment=printed)

    assert f"{worker.node}: OK" in shown
    assert "1 node online." in shown


def test_flower_lists_a_task_by_its_name_with_its_state(printed: dict[str, str], flower: str) -> None:
    sent = omninode(
        "enqueue", "omninode.models.call", "--args", '["local", "embed", "text"]', environment=printed
    )
    message_id = sent.stdout.strip()

    wait_until(lambda: message_id in [task["uuid"] for task in _ask(flower + _LIST)["data"]], what="the task")
    wait_until(lambda: _listed(flower, message_id)["state"] == "SUCCESS", what="its success")
    assert _listed(flower, message_id)["name"] == "omninode.models.call"


def _listed(flower: str, message_id: str) -> dict[str, Any]:
    (task,) = [task for task in _ask(flower + _LIST)["data"] if task["uuid"] == message_id]
    return dict(task)
