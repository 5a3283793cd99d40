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
}


def queues() -> list[Queue]:
    """The declarations of all queues: a worker without `-Q` serves every one of them."""
    return [Queue(name, routing_key=name) for name in QUEUES]
