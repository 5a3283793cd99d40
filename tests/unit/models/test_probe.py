"""Asking a server whether it is there."""

from collections.abc import Iterator

import pytest

from orchestrator import settings
from orchestrator.errors import ModelNotConfigured, ModelRefused, ModelUnavailable
from orchestrator.settings import Settings
from tasks.models import catalogue
from tasks.models.probe import probe
from tests.unit.models.model_server import ModelServer, answer, reset, serve


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serve() as running:
        settings.use(Settings.model_validate({"models": {"gpt": running.endpoint()}}))
        yield running
        settings.forget()


def test_a_server_that_has_the_model_answers(server: ModelServer) -> None:
    server.behaviour = answer({"object": "list", "data": [{"id": "other"}, {"id": "tiny"}]})
    assert probe("gpt") == f"{server.url}/v1 answers and lists tiny"
    assert server.requests[0].path == "/v1/models"
    assert server.requests[0].headers["Authorization"] == "Bearer sk-very-secret"


def test_a_server_without_the_model_says_so(server: ModelServer) -> None:
    server.behaviour = answer({"data": [{"id": "other"}]})
    assert probe("gpt") == f"{server.url}/v1 answers and does not list tiny"


def test_a_wrong_key_is_a_refusal(server: ModelServer) -> None:
    server.behaviour = answer({"error": {"message": "who are you?"}}, 401)
    with pytest.raises(ModelRefused, match="HTTP 401: who are you"):
        probe("gpt")


def test_a_server_that_breaks_off_is_unavailable(server: ModelServer) -> None:
    server.behaviour = reset
    with pytest.raises(ModelUnavailable):
        probe("gpt")


def test_a_model_that_is_not_configured_is_answered_with_those_that_are(server: ModelServer) -> None:
    with pytest.raises(ModelNotConfigured) as caught:
        probe("gtp")
    assert str(caught.value) == (
        "no model is called 'gtp' (did you mean 'gpt'?): there are local, gpt; add others to OMNINODE_MODELS"
    )
    assert catalogue.names() == ("local", "gpt")
