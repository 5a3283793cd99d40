"""A Redis that is frozen: whoever asks it by a command is told so within seconds, in a sentence."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.settings import Settings
from tests.commands import Done, omninode
from tests.own_redis import own_redis

# What a command says, and its exit code: 1 would be that an alert is raised.
SAID = {
    "alerts": (3, "the broker's Redis does not answer: Timeout reading from socket"),
    "alerts test --to event": (1, "the broker does not take events: Timeout reading from socket"),
    "queues list": (1, "the broker cannot be asked: Timeout reading from socket"),
    "dead-letters stats": (1, "Redis does not answer: Timeout reading from socket"),
    "task show none": (1, "the result backend: Timeout reading from socket"),
    "enqueue --foreign a.b": (1, "the broker does not answer: Timeout reading from socket"),
}
# Each waits for two or three seconds; the rest is for a busy machine. It was ten to eighty seconds.
_WITHIN_SECONDS = 9.0


@pytest.fixture
def frozen() -> Iterator[str]:
    with own_redis() as server:
        server.process.send_signal(signal.SIGSTOP)
        try:
            yield f"redis://127.0.0.1:{server.port}/0"
        finally:
            server.process.send_signal(signal.SIGCONT)


def test_commands_give_up_within_seconds_and_say_why(environment: Settings, frozen: str) -> None:
    def run(command: str) -> Done:
        return omninode(
            *command.split(),
            environment={"REDIS_URL": frozen, "DATABASE_URL": environment.database_url},
            within_seconds=_WITHIN_SECONDS,
            starts_nothing=True,
        )

    with ThreadPoolExecutor(3) as pool:
        done = dict(zip(SAID, pool.map(run, SAID), strict=True))

    assert {command: each.code for command, each in done.items()} == {
        command: code for command, (code, _) in SAID.items()
    }
    assert [
        command
        for command, (_, said) in SAID.items()
        if said not in " ".join((done[command].stdout + done[command].stderr).split())
    ] == []
