"""Which models there are: the built-in one, and those of OMNINODE_MODELS."""

from difflib import get_close_matches

from orchestrator import settings
from orchestrator.errors import ModelNotConfigured
from tasks.models import local
from tasks.models.openai import OpenAIServer
from tasks.models.provider import Provider


def names() -> tuple[str, ...]:
    """The names of all models, the built-in one first."""
    return (local.NAME, *settings.current().models)


def provider(name: str) -> Provider:
    """The model of that name.

    Raises:
        ModelNotConfigured: naming the models that there are.
    """
    return local.model() if name == local.NAME else server(name)


def server(name: str) -> OpenAIServer:
    """The configured server of that name.

    Raises:
        ModelNotConfigured: naming the models that there are.
    """
    endpoint = settings.current().models.get(name) if isinstance(name, str) else None
    if endpoint is None:
        raise ModelNotConfigured(_unknown(name))
    return OpenAIServer(name, endpoint)


def _unknown(name: object) -> str:
    near = get_close_matches(name, names(), 1) if isinstance(name, str) else []
    suggestion = f" (did you mean {near[0]!r}?)" if near else ""
    return (
        f"no model is called {repr(name)[:100]}{suggestion}: there are {', '.join(names())}; "
        "add others to OMNINODE_MODELS"
    )
