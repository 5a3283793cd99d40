"""Calls of AI models: the task `omninode.models.call`, and `ask` for code that already runs in a worker."""

from tasks.models.ask import Answer, ask
from tasks.models.task import call_model

__all__ = ["Answer", "ask", "call_model"]
