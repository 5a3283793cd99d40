"""Where alerts go, as the settings say it."""

from __future__ import annotations

from monitoring.alerts.delivering.alertmanager import Alertmanager
from monitoring.alerts.delivering.destination import Destination
from monitoring.alerts.delivering.event import Events
from monitoring.alerts.delivering.webhook import Webhook
from orchestrator.settings import Settings


def names(settings: Settings) -> tuple[str, ...]:
    """Those that are configured. Nothing is asked of them."""
    found = [Events.name]
    if settings.alert_webhook_url and settings.alert_webhook_secret:
        found.append(Webhook.name)
    if settings.alertmanager_url:
        found.append(Alertmanager.name)
    return tuple(found)


def make(settings: Settings, name: str) -> Destination:
    """The destination of this name.

    Raises:
        KeyError: it is not configured.
    """
    if name == Events.name:
        return Events(settings)
    if name == Webhook.name and settings.alert_webhook_url and settings.alert_webhook_secret:
        return Webhook(settings.alert_webhook_url, settings.alert_webhook_secret.get_secret_value())
    if name == Alertmanager.name and settings.alertmanager_url:
        return Alertmanager(settings, settings.alertmanager_url)
    raise KeyError(name)
