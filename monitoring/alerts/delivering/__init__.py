"""Alerts on their way: each change in the history goes to every destination, in order, at least once."""

from monitoring.alerts.delivering.rounds import Delivered, deliver
from monitoring.alerts.delivering.trial import test

__all__ = ["Delivered", "deliver", "test"]
