"""Who may ask the exporter: this machine alone, or whoever brings the token along."""

import pytest

from monitoring.exporter.access import Access, chosen, is_loopback
from orchestrator.errors import SettingsError
from orchestrator.settings import Settings

_OPEN = Access("127.0.0.1", 9810)
_GUARDED = Access("0.0.0.0", 9810, "s3cret")  # noqa: S104


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST", "::1"])
def test_loopback_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "127.0.0.1.evil.example", "1127.0.0.1", ""],  # noqa: S104
)
def test_everything_else_is_beyond_it(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "monitoring.internal"])  # noqa: S104
def test_beyond_loopback_a_token_is_demanded(host: str) -> None:
    with pytest.raises(SettingsError, match="OMNINODE_EXPORTER_TOKEN"):
        chosen(Settings.model_validate({"OMNINODE_EXPORTER_HOST": host}))


def test_with_a_token_it_may_listen_anywhere() -> None:
    given = {"OMNINODE_EXPORTER_HOST": "0.0.0.0", "OMNINODE_EXPORTER_TOKEN": "s3cret"}  # noqa: S104

    assert chosen(Settings.model_validate(given)) == _GUARDED


@pytest.mark.parametrize("token", [" ", "two words", "tab\t", "zwölf", "line\nbreak"])
def test_a_token_that_no_header_holds_is_refused(token: str) -> None:
    with pytest.raises(SettingsError, match="printable ASCII"):
        chosen(Settings.model_validate({"OMNINODE_EXPORTER_TOKEN": token}))


@pytest.mark.parametrize("brought", ["Bearer s3cret", "bearer s3cret", "Bearer  s3cret "])
def test_who_brings_the_token_may_ask(brought: str) -> None:
    assert _GUARDED.is_allowed(brought)


@pytest.mark.parametrize(
    "brought", ["", "s3cret", "Basic s3cret", "Bearer", "Bearer s3cre", "Bearer s3cret2", "Bearer s3crét"]
)
def test_who_does_not_may_not(brought: str) -> None:
    assert not _GUARDED.is_allowed(brought)


@pytest.mark.parametrize("host", ["127.0.0.1:9810", "localhost", "localhost:1", "[::1]:9810", "127.0.0.1"])
def test_on_loopback_its_own_names_are_answered(host: str) -> None:
    assert _OPEN.is_meant(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:9810", "localhost.evil.example", "127.0.0.1:9810@evil.example"]
)
def test_a_name_of_the_web_that_leads_to_loopback_is_not(host: str) -> None:
    assert not _OPEN.is_meant(host)
    assert _GUARDED.is_meant(host)
