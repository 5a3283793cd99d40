"""A pytest plugin that makes the apps of Celery's integration tests OmniNode apps."""

from typing import Any

from celery import Celery
from celery.contrib.testing import app as testing

from tests.compat.installed import make_omninode

_stock_app = testing.TestApp


def _omninode_app(*arguments: Any, **options: Any) -> Celery:
    return make_omninode(_stock_app(*arguments, **options))


def pytest_configure() -> None:
    """Before the suite's fixtures make their first app."""
    testing.TestApp = _omninode_app
