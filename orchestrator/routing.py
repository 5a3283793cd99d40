"""Which queues there are, and which task goes to which."""

from kombu import Queue

DEFAULT_QUEUE = "celery"
QUEUES = ("models", "hooks", "admin", DEFAULT_QUEUE)

ROUTES = {
    "omninode.models.*": {"queue": "models"},
    # Not behind the hooks: a thousand of them may wait there.
    "omninode.hooks.sweep": {"queue": "admin"},
    "omninode.hooks.*": {"queue": "hooks"},
    "omninode.health.*": {"queue": "admin"},
    "omninode.metrics.*": {"queue": "admin"},
    "omninode.admin.*": {"queue": "admin"},
    "omninode.events.*": {"queue": "admin"},
}


def queues(default_queue: str = DEFAULT_QUEUE) -> list[Queue]:
    """The declarations of all queues and of the app's default one: a worker without `-Q` serves them all."""
    return [Queue(name, routing_key=name) for name in dict.fromkeys((*QUEUES, default_queue))]
