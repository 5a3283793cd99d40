"""What the proofs of one file share: servers, variables that are given, and what happens in this process."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from orchestrator import events, settings
from orchestrator.dev.stack import Addresses
from orchestrator.settings import Settings
from tests.patterns.watching import nothing_is_recorded
from tests.patterns.web import Web, serving
from tests.servers import clean_redis, environment_of

Give = Callable[..., Settings]
Away = Callable[[], str]


@pytest.fixture(scope="module")
def environment(stack: Addresses) -> Iterator[Settings]:
    """A Redis of the file's own; the PostgreSQL has no schema, which few tests need."""
    with (
        clean_redis(stack.redis_url) as redis_url,
        environment_of(stack, redis_url, stack.database_url) as found,
    ):
        yield found


@pytest.fixture(autouse=True)
def _fleet(environment: Settings) -> None:
    """It has recorded nothing, and this process neither."""
    nothing_is_recorded()


@pytest.fixture
def give(environment: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Give]:
    """Set environment variables as a reader would, for this test."""

    def set_them(**variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return settings.use(settings.load())

    yield set_them
    settings.use(environment)


@pytest.fixture
def told() -> Iterator[list[events.Event]]:
    """What this process tells of itself."""
    heard: list[events.Event] = []
    detach = events.attach(heard.append)
    yield heard
    detach()


@pytest.fixture
def away() -> Iterator[Away]:
    """Gives an address where every connection is refused: another one each time, as each has its circuit."""
    with ExitStack() as bound:

        def another() -> str:
            taken = bound.enter_context(socket.socket())
            taken.bind(("127.0.0.1", 0))
            return "{}:{}".format(*taken.getsockname())

        yield another


@pytest.fixture
def silent() -> Iterator[str]:
    """An address where every connection is made, and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield "{}:{}".format(*listening.getsockname())


@pytest.fixture
def web() -> Iterator[Web]:
    """An HTTP server."""
    with serving() as server:
        yield server
