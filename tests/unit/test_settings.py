import pytest
from pydantic import ValidationError

from orchestrator.cli.settings import rows
from orchestrator.errors import SettingsError
from orchestrator.settings import Settings, load


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)


def _refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load()
    return str(refused.value)


def test_the_defaults_are_those_of_the_product_document() -> None:
    settings = load()

    assert (
        settings.kafka_enable_dlq,
        settings.kafka_max_retries,
        settings.kafka_timeout_seconds,
        settings.kafka_dlq_suffix,
        settings.timeout_operation_default,
        settings.timeout_global_default,
        settings.timeout_grace_period,
        settings.timeout_warning_threshold,
        settings.perf_monitor_retention_hours,
        settings.perf_monitor_sampling_interval,
        settings.perf_monitor_error_threshold,
        settings.perf_monitor_response_threshold,
    ) == (True, 3, 30.0, ".dlq", 300.0, 3600.0, 30.0, 0.8, 24.0, 60.0, 5.0, 5000.0)


def test_the_hard_limit_is_the_soft_limit_and_the_grace_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMEOUT_OPERATION_DEFAULT", "20")
    monkeypatch.setenv("TIMEOUT_GRACE_PERIOD", "5")

    settings = load()

    assert (settings.soft_limit_seconds, settings.hard_limit_seconds) == (20.0, 25.0)


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "")

    settings = load()

    assert settings.redis_url == "redis://localhost:6379/0"
    assert "redis_url" not in settings.model_fields_set


def test_a_value_equal_to_the_default_is_still_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_MAX_RETRIES", "3")

    assert "kafka_max_retries" in load().model_fields_set


def test_the_broker_is_redis_url_unless_celery_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://one:6379/0")
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://two:6379/0")

    settings = load()

    assert (settings.broker_url, settings.result_backend) == ("redis://two:6379/0", "redis://one:6379/0")


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = _refusal(
        monkeypatch,
        KAFKA_MAX_RETRIES="-1",
        TIMEOUT_WARNING_THRESHOLD="80",
        PERF_MONITOR_ERROR_THRESHOLD="many",
        OMNINODE_LEASE_SECONDS="0",
        OMNINODE_MODELS="{",
    )

    for named in (
        "KAFKA_MAX_RETRIES=-1: ",
        "TIMEOUT_WARNING_THRESHOLD=80: ",
        "PERF_MONITOR_ERROR_THRESHOLD=many: ",
        "OMNINODE_LEASE_SECONDS=0: ",
        "OMNINODE_MODELS=…: must be JSON such as",
    ):
        assert named in refusal


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("REDIS_URL", "localhost:6379", "must be a Redis URL such as"),
        ("REDIS_URL", "rediscluster://h:6379", "Redis Cluster is not supported yet"),
        ("DATABASE_URL", "mysql://h/d", "must be a PostgreSQL URL such as"),
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost", "must be host:port"),
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost:99999", "must be host:port"),
        ("KAFKA_ENABLE_DLQ", "perhaps", "must be true or false"),
        ("KAFKA_DLQ_SUFFIX", " ", "must be 1 to 100 letters, digits, dots, underscores and hyphens"),
        ("TIMEOUT_OPERATION_DEFAULT", "nan", "finite"),
        ("TIMEOUT_OPERATION_DEFAULT", "0", "greater than 0"),
        ("OMNINODE_IMPORTS", "shop.tasks, 9lives", "module names"),
        ("OMNINODE_LABELS", ",", "at least 1 item"),
        ("OMNINODE_LOG_FORMAT", "xml", "'auto', 'console' or 'json'"),
        ("OMNINODE_MAX_DELIVERIES", "0", "greater than or equal to 1"),
        ("OMNINODE_RETENTION_DAYS", "inf", "less than or equal to 3650"),
        ("TIMEOUT_GRACE_PERIOD", "1e300", "less than or equal to 315360000"),
        ("REDIS_URL", "redis://localhost:abc/0", "must have a port between 1 and 65535"),
        ("REDIS_URL", "sentinel://h:26379", "must be a Redis URL such as"),
        ("CELERY_BROKER_URL", "amqp://h", "must be a Redis URL such as"),
        ("DATABASE_URL", "postgresql://h:99999/x", "must have a port between 1 and 65535"),
        ("CELERY_RESULT_BACKEND", "nonsense", "must be the URL of a result backend"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str
) -> None:
    refusal = _refusal(monkeypatch, **{variable: value})

    assert f"{variable}={value}: " in refusal
    assert allowed in refusal


def test_a_deadline_shorter_than_one_attempt_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = _refusal(monkeypatch, TIMEOUT_OPERATION_DEFAULT="60", TIMEOUT_GLOBAL_DEFAULT="30")

    assert "TIMEOUT_GLOBAL_DEFAULT=30 must not be less than TIMEOUT_OPERATION_DEFAULT=60" in refusal


def test_a_refusal_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = _refusal(
        monkeypatch,
        DATABASE_URL="mysql://me:hunter2@h/d",
        OMNINODE_MODELS='{"gpt": {"base_url": "nowhere", "model": "m", "api_key": "hunter2"}}',
    )

    assert "DATABASE_URL=mysql://me:****@h/d" in refusal
    assert "hunter2" not in refusal


@pytest.mark.parametrize(
    "models",
    [
        "{'gpt': {'base_url': 'https://h/v1', 'model': 'm', 'api_key': 'LEAK'}}",
        '{"gpt": {"base_url": "https://h/v1", "model": "m", "api_key": 12345678}}',
    ],
)
def test_models_that_are_refused_are_not_shown(monkeypatch: pytest.MonkeyPatch, models: str) -> None:
    refusal = _refusal(monkeypatch, OMNINODE_MODELS=models)

    assert "LEAK" not in refusal
    assert "12345678" not in refusal


def test_settings_do_not_show_secrets_when_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@h:6379/0")
    monkeypatch.setenv(
        "OMNINODE_MODELS", '{"g": {"base_url": "https://h/v1", "model": "m", "api_key": "hunter2"}}'
    )

    assert "hunter2" not in repr(load())


def test_a_model_may_not_take_the_name_of_the_built_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = _refusal(monkeypatch, OMNINODE_MODELS='{"local": {"base_url": "https://h/v1", "model": "m"}}')

    assert "must not name a model `local`" in refusal


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load().kafka_max_retries = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("OMNINODE_BREAKERS", "[]", ": policies by the names of breakers, or by patterns"),
        ("OMNINODE_BREAKERS", '{"a": 5}', ": policies by the names of breakers, or by patterns"),
        ("OMNINODE_BREAKERS", '{" ": {}}', "must not have an empty name"),
        ("OMNINODE_BREAKERS", '{"a": {}, "a": {"probes": 2}}', "('a' is in it twice)"),
        ("OMNINODE_BREAKERS", '{"a": {"probes": true}}', "at [a]: probes=True: must be a number"),
        ("OMNINODE_RETRY_BUDGET", "50%", "must be a part such as 0.2, which is 20 %"),
    ],
)
def test_what_breakers_and_budgets_cannot_be_is_refused_with_what_they_are(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    refusal = _refusal(monkeypatch, **{variable: value})

    assert variable in refusal
    assert sentence in refusal


def test_of_a_breakers_policy_what_was_set_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNINODE_BREAKERS", '{"health:*": {"open_seconds": 44}}')

    shown = {row.variable: row.value for row in rows(load())}

    assert shown["OMNINODE_BREAKERS"] == '{"health:*": {"open_seconds": 44.0}}'


def test_a_model_s_address_that_is_none_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = _refusal(monkeypatch, OMNINODE_MODELS='{"a": {"base_url": "h", "model": "m"}}')

    assert "at [a][base_url]: must be a URL such as https://host/v1" in refusal


def test_a_webhook_without_a_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = _refusal(monkeypatch, OMNINODE_ALERT_WEBHOOK_URL="https://host/alerts")

    assert "OMNINODE_ALERT_WEBHOOK_URL needs OMNINODE_ALERT_WEBHOOK_SECRET" in refusal


@pytest.mark.parametrize(
    "secret",
    [
        "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_" + 65 * "QUFB",
        "whsec_?" + 8 * "QUFB",
    ],
)
def test_what_is_no_secret_of_a_webhook_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    refusal = _refusal(monkeypatch, OMNINODE_ALERT_WEBHOOK_SECRET=secret)

    assert "OMNINODE_ALERT_WEBHOOK_SECRET=****: must be whsec_ and 24 to 64 bytes in base64" in refusal


@pytest.mark.parametrize("variable", ["OMNINODE_ALERT_WEBHOOK_URL", "OMNINODE_ALERTMANAGER_URL"])
@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("host/alerts", "must be a URL such as https://host/path"),
        ("ftp://host/", "must be a URL such as https://host/path"),
        ("https://", "must be a URL such as https://host/path"),
        ("http://host:99999/", "must have a port between 1 and 65535, or none"),
    ],
)
def test_where_alerts_cannot_be_sent_to_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str, sentence: str
) -> None:
    assert f"{variable}={url}: {sentence}" in _refusal(monkeypatch, **{variable: url})
