"""Makes any Celery app an OmniNode app, in one call."""

from typing import Any

from celery import Celery
from celery.signals import celeryd_init, worker_init, worker_process_init, worker_process_shutdown

from orchestrator import beat, flower, logs, recording, redaction, results, routing, schema, stamp, urls
from orchestrator import settings as environment
from orchestrator.breaker import hub
from orchestrator.errors import OmniNodeError, SettingsError
from orchestrator.schedule import beat_schedule
from orchestrator.settings import Settings
from orchestrator.timeouts import canvas, running
from orchestrator.transport import options
from orchestrator.worker import failures, pools, portable, retries

# By name: these rooms lie above this one.
TASK_MODULES = (
    "tasks.models",
    "tasks.texts",
    "tasks.hooks",
    "tasks.health",
    "tasks.retention",
    "tasks.metrics",
    "tasks.admin",
    "tasks.events",
)


def install(app: Celery, settings: Settings | None = None) -> Celery:
    """Give the app our Task base, limits, retries, routes, serialisation, schedule and logging.

    The settings are the environment's unless given. What the app itself already says of routes, schedule and
    modules is kept beside ours; its broker is kept when the environment names none, and so is its
    `global_keyprefix`, where the process then looks for dead letters too.

    Raises:
        SettingsError: naming every environment variable whose value is not allowed, or the app's own broker.
        OmniNodeError: the app has built its tasks already, with another base class.
    """
    if "Task" in vars(app):
        raise OmniNodeError("call install(app) right after the app is made, before its first task is used")
    chosen = environment.use(_with_broker_of(app, settings or environment.load()))
    app.task_cls = "orchestrator.task:Task"
    app.control_cls = "orchestrator.worker.revocations:Control"
    app.amqp_cls = "orchestrator.transport.amqp:AMQP"
    app.loader.override_backends = results.BACKENDS | app.loader.override_backends
    app.conf.update(_configuration(app, chosen))
    logs.connect()
    stamp.connect()
    canvas.register()
    beat.watch()
    pools.register()
    failures.register()
    portable.register()
    retries.register()
    flower.extend()
    celeryd_init.connect(_introduce, dispatch_uid="omninode-running")
    worker_init.connect(_prepare_worker, dispatch_uid="omninode-worker")
    worker_init.connect(_record, dispatch_uid="omninode-recording")
    worker_process_init.connect(_record_in_child, dispatch_uid="omninode-recording")
    worker_process_shutdown.connect(_tell_the_rest, dispatch_uid="omninode-breakers")
    return app


def _introduce(sender: str, **_: Any) -> None:
    # Before its children are made, which know it by that.
    running.introduce(sender)


def _record(**_: Any) -> None:
    recording.begin("worker")


def _record_in_child(**_: Any) -> None:
    recording.begin("child")


def _tell_the_rest(**_: Any) -> None:
    # A pool's child ends without Python's own exit; one that made a single call has told of nothing yet.
    hub.flush()
    recording.flush()


def _with_broker_of(app: Celery, settings: Settings) -> Settings:
    named = settings.model_fields_set
    own: dict[str, Any] = {}
    if app.conf.broker_url and not named & {"redis_url", "celery_broker_url"}:
        own = {"redis_url": _own_redis(str(app.conf.broker_url))}
    if app.conf.result_backend and not named & {"redis_url", "celery_result_backend"}:
        own["celery_result_backend"] = app.conf.result_backend
    prefix = app.conf.broker_transport_options.get("global_keyprefix")
    if prefix is not None:
        own["key_prefix"] = prefix
    return Settings.model_validate(settings.model_dump(exclude_unset=True) | own) if own else settings


def _own_redis(broker_url: str) -> str:
    try:
        return urls.redis_url(broker_url)
    except ValueError as error:
        raise SettingsError(f"this app's broker, {redaction.text(broker_url)}: {error}") from None


def _configuration(app: Celery, settings: Settings) -> dict[str, Any]:
    return {
        "broker_url": settings.broker_url,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        "broker_transport_options": options.of(settings)
        | {"global_keyprefix": settings.key_prefix}
        | app.conf.broker_transport_options,
        "result_backend": settings.result_backend,
        "include": [*TASK_MODULES, *settings.imports, *app.conf.include],
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "task_soft_time_limit": settings.soft_limit_seconds,
        "task_time_limit": settings.hard_limit_seconds,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_consumer": "orchestrator.worker.consumer:Consumer",
        # Claims outlive a connection: what runs goes on, and what is held stays held.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_enable_prefetch_count_reduction": False,
        "task_queues": [*routing.queues(app.conf.task_default_queue), *(app.conf.task_queues or [])],
        "task_routes": [*_as_list(app.conf.task_routes), routing.ROUTES],
        "beat_schedule": beat_schedule(settings) | app.conf.beat_schedule,
        "timezone": "UTC",
        "enable_utc": True,
    }


def _as_list(routes: Any) -> list[Any]:
    if not routes:
        return []
    return list(routes) if isinstance(routes, list | tuple) else [routes]


def _prepare_worker(sender: Any, **_: Any) -> None:
    try:
        pools.check(sender.pool_cls)
        schema.migrate(environment.current().database_url)
    except OmniNodeError as error:
        # Celery goes on after any other exception of a signal's receiver, and says nothing.
        raise SystemExit(f"omninode: {error}") from None
