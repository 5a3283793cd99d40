"""An OmniNode app for Celery's integration tests: `install(app)`, less what those tests cannot work with."""

from celery import Celery
from celery.signals import setup_logging, worker_init

from orchestrator.install import install

# The suite fails any test whose app knows another queue than `celery`.
_SETTINGS_OF_THE_SUITE = ("include", "task_queues", "task_routes", "beat_schedule")


def make_omninode(app: Celery) -> Celery:
    """Install OmniNode on the app: its transport, Task, Request, Consumer and settings."""
    kept = {name: app.conf[name] for name in _SETTINGS_OF_THE_SUITE}
    install(app)
    app.task_cls = "tests.compat.plain_task:PlainTask"
    app.conf.update(kept)
    # There is no PostgreSQL here, and the suite reads what it logs from handlers of its own.
    worker_init.disconnect(dispatch_uid="omninode-worker")
    setup_logging.disconnect(dispatch_uid="omninode-logs")
    return app
