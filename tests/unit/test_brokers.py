"""Which brokers an app may have, and how they are spelt."""

from collections.abc import Iterator

import pytest
from celery import Celery

from orchestrator import settings, urls
from orchestrator.errors import SettingsError
from orchestrator.install import install
from orchestrator.settings import Settings


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("REDIS_URL", "CELERY_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)
    yield
    settings.forget()


@pytest.mark.parametrize(
    ("broker", "sentence"),
    [
        ("rediscluster://h:6379", "must name one Redis or a Sentinel: Redis Cluster is not supported yet"),
        ("redis+cluster://h:6379", "must name one Redis or a Sentinel: Redis Cluster is not supported yet"),
        ("sentinel://h:26379", "a Sentinel goes into CELERY_BROKER_URL"),
        ("amqp://h", "must be a Redis URL such as redis://:password@host:6379/0"),
    ],
)
def test_an_apps_own_broker_that_will_not_do_is_refused_with_a_sentence(broker: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        install(Celery("shop", broker=broker, set_as_current=False))

    assert str(refused.value).startswith(f"this app's broker, {broker}: must ")
    assert sentence in str(refused.value)


def test_the_refusal_of_a_broker_shows_no_password() -> None:
    with pytest.raises(SettingsError) as refused:
        install(Celery("shop", broker="amqp://me:hunter2@h", set_as_current=False))

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("broker", ["rediscluster://h:6379", "redis+cluster://h:6379"])
def test_a_cluster_is_refused_as_broker(monkeypatch: pytest.MonkeyPatch, broker: str) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", broker)

    with pytest.raises(SettingsError, match="Redis Cluster is not supported yet"):
        settings.load()


@pytest.mark.parametrize(
    ("url", "spelt"),
    [
        ("redis://:secret@h:6379/2", "redis://:secret@h:6379/2"),
        ("redis+socket:///run/redis.sock", "unix:///run/redis.sock"),
        ("redis+socket:///run/redis.sock?virtual_host=2", "unix:///run/redis.sock?db=2"),
        ("redis+socket://:secret@/run/redis.sock?virtual_host=/2", "unix://:secret@/run/redis.sock?db=2"),
    ],
)
def test_a_socket_is_spelt_as_each_client_wants_it(url: str, spelt: str) -> None:
    assert urls.as_redis_spells(urls.redis_url(url)) == spelt


def test_a_producers_pool_is_of_our_own_transport_on_every_url() -> None:
    chosen = Settings(celery_broker_url="redis://one:6379/0;redis://two:6379/0")
    with install(Celery("shop", set_as_current=False), chosen) as app:
        connection = app.connection_for_write().Pool(1).new()
        of_first = connection.transport_cls
        connection.switch("redis://two:6379/0")

        assert (of_first, connection.transport_cls) == ("orchestrator.transport:Transport",) * 2


def test_an_app_without_a_prefix_has_that_of_the_environment() -> None:
    with install(Celery("shop", set_as_current=False), Settings(key_prefix="shop:")) as app:
        assert app.conf.broker_transport_options["global_keyprefix"] == "shop:"


def test_an_app_with_a_prefix_keeps_it_and_its_processes_look_there() -> None:
    app = Celery("shop", set_as_current=False, broker_transport_options={"global_keyprefix": "own:"})
    with install(app, Settings(key_prefix="shop:")):
        assert app.conf.broker_transport_options["global_keyprefix"] == "own:"
        assert settings.current().key_prefix == "own:"
