"""Dead-letter topics that are this test's alone."""

from uuid import uuid4

import pytest

from orchestrator import settings
from orchestrator.relay.indexing import following, reindexing
from orchestrator.relay.indexing import indexer as indexing
from orchestrator.settings import Settings
from tests.servers import empty_tables


@pytest.fixture
def topics(environment: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The environment with a suffix that no other test's topics have; they are looked for more often."""
    for name, seconds in (("LOOK_SECONDS", 0.2), ("_WAIT_SECONDS", 0.1), ("_LOCK_SECONDS", 0.05)):
        monkeypatch.setattr(indexing, name, seconds)
    monkeypatch.setattr(reindexing, "_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(following, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(reindexing, "ANSWER_SECONDS", 0.5)
    monkeypatch.setenv("KAFKA_DLQ_SUFFIX", f".dlq-{uuid4().hex[:8]}")
    return settings.use(settings.load())


@pytest.fixture
def database_url(module_database: str) -> str:
    """The module's database, with nothing but the schema in it."""
    empty_tables(module_database)
    return module_database
