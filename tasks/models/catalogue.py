"""Which models there are: the built-in one, and those of OMNINODE_MODELS."""

from contextlib import AbstractContextManager, nullcontext
from difflib import get_close_matches

from orchestrator import settings
from orchestrator.breaker import breaker, builtin
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


def dependency(model: object = None, *_: object, **__: object) -> str:
    """The breaker `model:<name>` of a call of a configured server; "" for the built-in model.

    It is a function of the arguments of `omninode.models.call`: while a server is known to be away its calls
    are set aside, and those of others go on.
    """
    known = isinstance(model, str) and model in settings.current().models
    return builtin.model(str(model)) if known else ""


def guarded(model: str) -> AbstractContextManager[object]:
    """The breaker of a configured server, as a block around one call; the built-in model needs none.

    What counts as a failure is ModelUnavailable, whose `Retry-After` keeps the circuit open for at least so
    long, and the task's own soft limit; a refusal says that the server is there.

    Raises:
        BreakerOpen: the server is known to be away, and was not called.
    """
    name = dependency(model)
    return breaker(name) if name else nullcontext()


def _unknown(name: object) -> str:
    near = get_close_matches(name, names(), 1) if isinstance(name, str) else []
    suggestion = f" (did you mean {near[0]!r}?)" if near else ""
    return (
        f"no model is called {repr(name)[:100]}{suggestion}: there are {', '.join(names())}; "
        "add others to OMNINODE_MODELS"
    )
