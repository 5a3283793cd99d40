"""Environment variables → one frozen, typed `Settings`; every wrong value is refused at once, by name."""

from __future__ import annotations

import base64
import json
import os
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from orchestrator import redaction, urls
from orchestrator.errors import SettingsError
from orchestrator.policy import Policy

_SUFFIX = r"^[A-Za-z0-9._-]{1,100}$"
_BASE_URL = r"^https?://[^/]+"
_WEBHOOK_SECRET_BYTES = range(24, 65)
_NEW_WEBHOOK_KEY = 'echo "whsec_$(head -c 32 /dev/urandom | base64)"'
DEFAULT_LABELS = ("bug report", "feature request", "documentation", "question", "maintenance", "praise")


RedisUrl = Annotated[str, AfterValidator(urls.redis_url)]
BrokerUrl = Annotated[str, AfterValidator(urls.broker_url)]
# Ten years: longer is a slip of the pen, and overflows somewhere.
Seconds = Annotated[float, Field(gt=0, le=315_360_000, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, le=1)]


class ModelEndpoint(BaseModel):
    """One OpenAI-compatible server: `base_url` up to and including `/v1`, and the model's name there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: Annotated[str, Field(pattern=_BASE_URL)]
    model: str
    api_key: SecretStr | None = None
    connect_timeout_seconds: Seconds = 5.0
    read_timeout_seconds: Seconds = 60.0


class Settings(BaseSettings):
    """What the environment says, typed. A field's alias is its variable; lengths of time are seconds."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        env_ignore_empty=True,
        case_sensitive=True,
        use_attribute_docstrings=True,
    )

    redis_url: RedisUrl = Field("redis://localhost:6379/0", alias="REDIS_URL", repr=False)
    """The Redis of the broker, of results, and of health."""
    celery_broker_url: BrokerUrl | None = Field(None, alias="CELERY_BROKER_URL", repr=False)
    """The broker, where it is not REDIS_URL."""
    sentinel_master: str = Field("mymaster", alias="OMNINODE_SENTINEL_MASTER", min_length=1)
    """What a Sentinel calls the master, where CELERY_BROKER_URL is one."""
    key_prefix: str = Field("", alias="OMNINODE_KEY_PREFIX")
    """What every key of the broker begins with: Celery's `global_keyprefix`, where the app has none."""
    celery_result_backend: Annotated[str, AfterValidator(urls.result_backend)] | None = Field(
        None, alias="CELERY_RESULT_BACKEND", repr=False
    )
    """Where tasks' results are kept, where it is not REDIS_URL."""
    kafka_bootstrap_servers: Annotated[str, AfterValidator(urls.bootstrap_servers)] = Field(
        "localhost:9092", alias="KAFKA_BOOTSTRAP_SERVERS"
    )
    """The Kafka that dead letters go to."""
    database_url: Annotated[str, AfterValidator(urls.database_url)] = Field(
        "postgresql://postgres@localhost:5432/postgres", alias="DATABASE_URL", repr=False
    )
    """The PostgreSQL of hooks, model calls and texts; it needs the extension `vector`."""

    kafka_enable_dlq: bool = Field(default=True, alias="KAFKA_ENABLE_DLQ")
    """Whether dead letters go to Kafka; without it they are indexed from the outbox directly."""
    kafka_max_retries: int = Field(3, alias="KAFKA_MAX_RETRIES", ge=0)
    """How often a KafkaClient tries again to publish an event."""
    kafka_timeout_seconds: Seconds = Field(30.0, alias="KAFKA_TIMEOUT_SECONDS")
    """How long an attempt to publish a dead letter or an event may take, in seconds."""
    kafka_dlq_suffix: str = Field(".dlq", alias="KAFKA_DLQ_SUFFIX", pattern=_SUFFIX)
    """What a queue's name gets to become its dead-letter topic's."""

    timeout_operation_default: Seconds = Field(300.0, alias="TIMEOUT_OPERATION_DEFAULT")
    """When a running task is told to stop, in seconds: the soft limit."""
    timeout_global_default: Seconds = Field(3600.0, alias="TIMEOUT_GLOBAL_DEFAULT")
    """How long a task may take over all its attempts, in seconds: its deadline, where nobody has set one."""
    timeout_grace_period: Seconds = Field(30.0, alias="TIMEOUT_GRACE_PERIOD")
    """How much later it is killed, in seconds: the hard limit."""
    timeout_warning_threshold: Fraction = Field(0.8, alias="TIMEOUT_WARNING_THRESHOLD")
    """The part of a limit after which what runs is warned of: a task, or an operation."""

    perf_monitor_retention_hours: Seconds = Field(24.0, alias="PERF_MONITOR_RETENTION_HOURS")
    """How long what was measured stays in the dashboard, in hours."""
    perf_monitor_sampling_interval: Seconds = Field(60.0, alias="PERF_MONITOR_SAMPLING_INTERVAL")
    """How often health is looked at, and alerts are raised or cleared, in seconds."""
    perf_monitor_error_threshold: float = Field(5.0, alias="PERF_MONITOR_ERROR_THRESHOLD", ge=0, le=100)
    """The percentage of errors above which health is degraded; from twice of it on it is critical."""
    perf_monitor_response_threshold: Seconds = Field(5000.0, alias="PERF_MONITOR_RESPONSE_THRESHOLD")
    """The response time above which health is degraded, in milliseconds."""

    imports: Annotated[tuple[str, ...], NoDecode] = Field((), alias="OMNINODE_IMPORTS")
    """Modules with a user's own tasks, handlers and checks, separated by commas."""
    lease_seconds: Seconds = Field(30.0, alias="OMNINODE_LEASE_SECONDS")
    """How long a worker that has died keeps its messages, in seconds."""
    max_deliveries: int = Field(8, alias="OMNINODE_MAX_DELIVERIES", ge=1)
    """After how many unsettled deliveries a message is buried."""

    dlq_partitions: int = Field(4, alias="OMNINODE_DLQ_PARTITIONS", ge=1, le=10_000)
    """How many partitions a dead-letter topic gets when it is created."""
    dlq_max_bytes: int = Field(1_000_000, alias="OMNINODE_DLQ_MAX_BYTES", ge=65_536, le=100_000_000)
    """The largest record of a dead-letter topic, in bytes; a larger message is kept in PostgreSQL."""
    dlq_retention_days: float = Field(90.0, alias="OMNINODE_DLQ_RETENTION_DAYS", gt=0, le=3650)
    """How long dead letters are kept, in days; those that are closed a third of it in the index."""
    outbox_high_water: int = Field(10_000, alias="OMNINODE_OUTBOX_HIGH_WATER", ge=1)
    """How many dead letters wait in Redis for Kafka before the rest goes to PostgreSQL."""
    max_replays: int = Field(5, alias="OMNINODE_MAX_REPLAYS", ge=1, le=1000)
    """After how many replays in vain a dead letter is parked."""
    alert_outbox_seconds: Seconds = Field(60.0, alias="OMNINODE_ALERT_OUTBOX_SECONDS")
    """How long a dead letter may wait for Kafka before an alert is raised, in seconds."""
    alert_open_letters: int = Field(1000, alias="OMNINODE_ALERT_OPEN_LETTERS", ge=1)
    """From how many open dead letters on an alert is raised."""
    alert_letters_per_minute: float = Field(100.0, alias="OMNINODE_ALERT_LETTERS_PER_MINUTE", gt=0)
    """From how many new dead letters a minute on an alert is raised."""
    alert_open_letter_hours: float = Field(72.0, alias="OMNINODE_ALERT_OPEN_LETTER_HOURS", gt=0)
    """How long ago an open dead letter may have failed first before an alert is raised, in hours."""

    alert_queue_age_seconds: Seconds = Field(300.0, alias="OMNINODE_ALERT_QUEUE_AGE_SECONDS")
    """How long the oldest task of a queue may wait before an alert is raised, in seconds."""
    alert_breaker_open_seconds: Seconds = Field(300.0, alias="OMNINODE_ALERT_BREAKER_OPEN_SECONDS")
    """How long a circuit may be open before an alert is raised, in seconds."""
    alert_webhook_url: Annotated[str, AfterValidator(urls.web_address)] | None = Field(
        None, alias="OMNINODE_ALERT_WEBHOOK_URL", repr=False
    )
    """Where alerts are posted to, signed as Standard Webhooks are."""
    alert_webhook_secret: SecretStr | None = Field(None, alias="OMNINODE_ALERT_WEBHOOK_SECRET")
    """The secret of these signatures: `whsec_` and 24 to 64 bytes in base64."""
    alertmanager_url: Annotated[str, AfterValidator(urls.web_address)] | None = Field(
        None, alias="OMNINODE_ALERTMANAGER_URL", repr=False
    )
    """The Alertmanager that alerts are sent to, up to but without `/api`."""
    queue_limit_hours: float = Field(168.0, alias="OMNINODE_QUEUE_LIMIT_HOURS", gt=0, le=87_600)
    """How long a task may wait in a queue that nobody serves before it is buried, in hours."""
    exporter_host: str = Field("127.0.0.1", alias="OMNINODE_EXPORTER_HOST", min_length=1)
    """The address that the exporter listens on; beyond loopback it needs a token."""
    exporter_port: int = Field(9810, alias="OMNINODE_EXPORTER_PORT", ge=0, le=65_535)
    """The exporter's port; 0 is any free one."""
    exporter_token: SecretStr | None = Field(None, alias="OMNINODE_EXPORTER_TOKEN")
    """What requests to the exporter have to bring along, as `Authorization: Bearer …`."""

    breakers: Annotated[dict[str, Policy], NoDecode] = Field({}, alias="OMNINODE_BREAKERS")
    """Policies of circuit breakers, by the breaker's name or a pattern such as `model:*`, as JSON."""
    retry_budget: float = Field(0.2, alias="OMNINODE_RETRY_BUDGET", ge=0, le=100)
    """How many retries of a dependency's tasks are made a minute, as a part of their first attempts."""
    retry_floor_per_minute: int = Field(10, alias="OMNINODE_RETRY_FLOOR_PER_MINUTE", ge=1, le=1_000_000)
    """How many retries a minute are made on top of that part."""
    learn_retries: bool = Field(default=False, alias="OMNINODE_LEARN_RETRIES")
    """Whether retries that practically never help are given up, from what the fleet has learned."""

    models: Annotated[dict[str, ModelEndpoint], NoDecode] = Field({}, alias="OMNINODE_MODELS")
    """Servers with the HTTP interface of OpenAI, by name, as JSON."""
    hook_max_bytes: int = Field(4 * 1024 * 1024, alias="OMNINODE_HOOK_MAX_BYTES", ge=1024)
    """The largest payload of a hook, in bytes."""
    labels: Annotated[tuple[str, ...], NoDecode] = Field(
        DEFAULT_LABELS, alias="OMNINODE_LABELS", min_length=1
    )
    """The labels that texts are given, separated by commas."""
    similarity_threshold: float = Field(0.5, alias="OMNINODE_SIMILARITY_THRESHOLD", ge=-1, le=1)
    """From which cosine on two texts are called similar."""
    retention_days: float = Field(30.0, alias="OMNINODE_RETENTION_DAYS", gt=0, le=3650)
    """How long rows are kept, in days."""
    health_interval_seconds: Seconds = Field(30.0, alias="OMNINODE_HEALTH_INTERVAL_SECONDS")
    """How often beat has everything checked, in seconds."""
    log_format: Literal["auto", "console", "json"] = Field("auto", alias="OMNINODE_LOG_FORMAT")
    """Lines for people (console), for programs (json), or as standard error is (auto)."""

    @field_validator("imports", "labels", mode="before")
    @classmethod
    def _split_at_commas(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("imports")
    @classmethod
    def _are_module_names(cls, modules: tuple[str, ...]) -> tuple[str, ...]:
        for module in modules:
            if not all(part.isidentifier() for part in module.split(".")):
                message = f"must be module names separated by commas; {module!r} is not one"
                raise ValueError(message)
        return modules

    @field_validator("models", mode="before")
    @classmethod
    def _parse_models(cls, value: Any) -> Any:
        return _json(value, '{"gpt": {"base_url": "https://host/v1", "model": "…"}}')

    @field_validator("breakers", mode="before")
    @classmethod
    def _parse_breakers(cls, value: Any) -> Any:
        example = '{"model:*": {"failure_threshold": 3, "open_seconds": 15}}'
        found = _json(value, example)
        if not isinstance(found, dict) or not all(isinstance(each, dict | Policy) for each in found.values()):
            message = f"must be JSON such as {example}: policies by the names of breakers, or by patterns"
            raise ValueError(message)
        if not all(name.strip() for name in found):
            message = 'must not have an empty name; "*" fits every breaker'
            raise ValueError(message)
        return found

    @field_validator("retry_budget", mode="before")
    @classmethod
    def _is_part(cls, value: Any) -> Any:
        if isinstance(value, str) and value.strip().endswith("%"):
            message = "must be a part such as 0.2, which is 20 %"
            raise ValueError(message)
        return value

    @field_validator("models")
    @classmethod
    def _leave_local_alone(cls, models: dict[str, ModelEndpoint]) -> dict[str, ModelEndpoint]:
        if "local" in models:
            message = "must not name a model `local`: that is the built-in one"
            raise ValueError(message)
        return models

    @field_validator("alert_webhook_secret")
    @classmethod
    def _is_secret_of_a_webhook(cls, secret: SecretStr | None) -> SecretStr | None:
        prefix, _, encoded = (secret.get_secret_value() if secret else "").rpartition("_")
        try:
            length = len(base64.b64decode(encoded, validate=True))
        except ValueError:
            length = 0
        if secret is not None and (prefix != "whsec" or length not in _WEBHOOK_SECRET_BYTES):
            message = f"must be whsec_ and 24 to 64 bytes in base64: {_NEW_WEBHOOK_KEY} makes one"
            raise ValueError(message)
        return secret

    @model_validator(mode="after")
    def _webhook_is_signed(self) -> Self:
        if self.alert_webhook_url and self.alert_webhook_secret is None:
            message = (
                "OMNINODE_ALERT_WEBHOOK_URL needs OMNINODE_ALERT_WEBHOOK_SECRET: whoever receives an alert "
                f"has to see that it is ours; {_NEW_WEBHOOK_KEY} makes a secret"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _deadline_covers_one_attempt(self) -> Self:
        if self.timeout_global_default < self.timeout_operation_default:
            message = (
                f"TIMEOUT_GLOBAL_DEFAULT={self.timeout_global_default:g} must not be less than "
                f"TIMEOUT_OPERATION_DEFAULT={self.timeout_operation_default:g}"
            )
            raise ValueError(message)
        return self

    @property
    def broker_url(self) -> str:
        """The broker: CELERY_BROKER_URL, or else REDIS_URL."""
        return self.celery_broker_url or self.redis_url

    @property
    def result_backend(self) -> str:
        """The result backend: CELERY_RESULT_BACKEND, or else REDIS_URL."""
        return self.celery_result_backend or self.redis_url

    @property
    def soft_limit_seconds(self) -> float:
        """When a running task is told to stop."""
        return self.timeout_operation_default

    @property
    def hard_limit_seconds(self) -> float:
        """When a running task is killed: the soft limit and the grace period."""
        return self.timeout_operation_default + self.timeout_grace_period


def _json(value: Any, example: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, object_pairs_hook=_once_each)
    except ValueError as error:
        message = f"must be JSON such as {example} ({error})"
        raise ValueError(message) from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is in it twice")
    return found


_installed: Settings | None = None


def current() -> Settings:
    """The process's settings: those `install` was given, or else the environment's, read once."""
    return _installed or use(load())


def use(settings: Settings) -> Settings:
    """Make these the process's settings."""
    global _installed  # noqa: PLW0603 (a process has one environment)
    _installed = settings
    return settings


def forget() -> None:
    """Read the environment anew when the settings are next asked for."""
    global _installed  # noqa: PLW0603
    _installed = None


def load() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: naming every variable whose value is not allowed, the value, and what is allowed.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None


_ALLOWED = {"bool_parsing": "must be true or false", "int_parsing": "must be a whole number"}
_ALLOWED_BY_PATTERN = {
    _SUFFIX: "must be 1 to 100 letters, digits, dots, underscores and hyphens, such as '.dlq'",
    _BASE_URL: "must be a URL such as https://host/v1",
}


def _explain(error: ValidationError) -> str:
    lines = [_explain_one(details) for details in error.errors(include_url=False)]
    return "these settings are not allowed:\n" + "\n".join(f"  {line}" for line in lines)


def _explain_one(details: ErrorDetails) -> str:
    found = _ALLOWED.get(details["type"]) or _ALLOWED_BY_PATTERN.get(
        details.get("ctx", {}).get("pattern", "")
    )
    message = found or details["msg"].removeprefix("Value error, ")
    if not details["loc"]:
        return message
    variable, *inside = (str(part) for part in details["loc"])
    place = "".join(f"[{part}]" for part in inside)
    # What is no JSON cannot be searched for the keys in it.
    shown = (
        "…" if variable == "OMNINODE_MODELS" else redaction.setting(variable, os.environ.get(variable, ""))
    )
    return f"{variable}={shown}{f' at {place}' if place else ''}: {message[0].lower()}{message[1:]}"
