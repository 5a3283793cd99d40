"""Settings with other policies of breakers."""

from typing import Any

from orchestrator import settings
from orchestrator.settings import Settings


def use(chosen: Settings, policies: dict[str, dict[str, Any]], **others: Any) -> Settings:
    """Make the settings the process's, with these policies and other values."""
    values = chosen.model_dump(by_alias=False, exclude={"models"}) | {"models": chosen.models}
    return settings.use(Settings.model_validate(values | {"breakers": policies} | others))
