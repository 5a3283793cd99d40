"""What the proofs of one file share: servers, variables that are given, and what happens in this process."""

import socket
from collections.abc import Callable, Iterator

import pytest

from orchestrator import events, settings
from orchestrator.dev.stack import Addresses
from orchestrator.settings import Settings
from tests.acceptance.shared_place import place
from tests.patterns.web import Web, serving

Give = Callable[..., Settings]


@pytest.fixture(scope="module")
def environment(stack: Addresses, template: str) -> Iterator[Settings]:
    with place(stack, template) as found:
        yield found


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
def away() -> Iterator[str]:
    """An address where every connection is refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield "{}:{}".format(*bound.getsockname())


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
