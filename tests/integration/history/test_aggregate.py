"""The task of beat folds and looks at the fleet, and a server that is away fails none of its runs."""

import logging

import pytest
from redis import Redis

from orchestrator import keys, schedule, settings
from orchestrator.settings import Settings
from tasks.metrics import aggregate
from tests.integration.history.places import PAID, count, listed, present, told


def test_a_run_folds_and_judges(environment: Settings, client: Redis) -> None:
    count(client, present(client) - 1, {PAID: 3})

    done = aggregate()

    assert done["folded"]["windows"] == 1
    assert told(client) == {PAID: "3"}
    assert (done["trouble"], set(done["alerts"])) == ([], {"raised", "cleared"})


def test_while_postgresql_is_away_minutes_wait_and_it_is_said_once(
    environment: Settings, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    count(client, present(client) - 2, {PAID: 1})
    settings.use(environment.model_copy(update={"database_url": "postgresql://postgres@127.0.0.1:1/none"}))

    away = [aggregate(), aggregate()]
    settings.use(environment)
    back = [aggregate(), aggregate()]

    assert [each["folded"] for each in away] == [None, None]
    assert all("PostgreSQL takes no minutes" in each["trouble"][0] for each in away)
    assert [each["folded"]["windows"] for each in back] == [1, 0]
    assert listed(client, "windows") == []
    said = [record.getMessage() for record in caplog.records]
    assert sum("metrics_wait_for_postgresql" in each for each in said) == 1
    assert sum("metrics_are_folded_again" in each for each in said) == 1


def test_a_postgresql_that_only_reads_fails_no_run(environment: Settings, client: Redis) -> None:
    count(client, present(client) - 1, {PAID: 1})
    only_reads = f"{environment.database_url}?options=-cdefault_transaction_read_only%3Don"
    settings.use(environment.model_copy(update={"database_url": only_reads}))

    done = aggregate()

    assert (done["folded"], set(done["alerts"])) == (None, {"raised", "cleared"})
    assert "read-only" in done["trouble"][0]
    assert len(listed(client, "windows")) == 1


def test_a_fold_that_nobody_has_foreseen_to_fail_hinders_no_look_at_the_fleet(
    environment: Settings, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ValueError("unforeseen")

    monkeypatch.setattr("tasks.metrics.fold", fails)

    with pytest.raises(ValueError, match="unforeseen"):
        aggregate()

    assert client.exists(keys.alert_looks())


def test_while_the_broker_is_away_a_run_says_so(environment: Settings) -> None:
    settings.use(environment.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))

    done = aggregate()

    assert (done["folded"], done["alerts"]) == (None, None)
    assert "the broker's Redis does not answer" in done["trouble"][0]


def test_beat_sends_it_at_each_look_and_at_least_each_hour(environment: Settings) -> None:
    rare = environment.model_copy(update={"perf_monitor_sampling_interval": 86_400.0})

    entries = [schedule.beat_schedule(each)["omninode-metrics"] for each in (environment, rare)]

    assert [(each["schedule"], each["options"]["expires"]) for each in entries] == [(60, 60), (3600, 3600)]
