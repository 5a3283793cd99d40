"""Whether a model can be called, asked the cheapest way there is."""

import numpy as np

from orchestrator import redaction
from orchestrator.errors import ModelUnavailable
from tasks.models import catalogue, local
from tasks.models.exchange import Limits

_SERVER_LIMITS = Limits(connect_seconds=2.0, read_seconds=3.0)


def probe(name: str) -> str:
    """Say in a sentence that the model answers, within 8 seconds; nothing is recorded and nothing is paid.

    Raises:
        ModelNotConfigured: there is no such model.
        ModelRefused: its server refuses us, such as for a wrong key.
        ModelUnavailable: it does not answer, or with nonsense.
    """
    return _probe_local() if name == local.NAME else _probe_server(name)


def _probe_local() -> str:
    vectors = local.model().embed(["word"]).vectors
    if not np.linalg.norm(vectors) > 0:
        raise ModelUnavailable("the built-in model knows no words: install wordllama anew")
    return f"the built-in model answers with {vectors.shape[1]} numbers a text"


def _probe_server(name: str) -> str:
    server = catalogue.server(name)
    models = server.list_models(_SERVER_LIMITS)
    listed = "lists" if server.endpoint.model in models else "does not list"
    return f"{redaction.text(server.endpoint.base_url)} answers and {listed} {server.endpoint.model}"
