"""The Celery app: `celery -A orchestrator worker|beat|flower|inspect`."""

from celery import Celery

from orchestrator.install import install

app = install(Celery("omninode"))
