"""What a loop suffers from is logged when it begins and ends, however often its words change meanwhile."""

from structlog.testing import capture_logs

from orchestrator.relay.trouble import Trouble


def test_an_error_that_changes_its_words_is_logged_once_a_minute() -> None:
    now = [0.0]
    trouble = Trouble("outbox", lambda: now[0])
    with capture_logs() as logs:
        for second in range(121):
            now[0] = float(second)
            trouble.is_there(f"refused, {second} identical errors suppressed")
        trouble.is_over()

    assert [each.get("error", each["event"]) for each in logs] == [
        "refused, 0 identical errors suppressed",
        "refused, 60 identical errors suppressed",
        "refused, 120 identical errors suppressed",
        "relay_goes_on",
    ]
    assert trouble.error == ""


def test_trouble_that_comes_again_is_logged_again() -> None:
    trouble = Trouble("outbox", lambda: 0.0)
    with capture_logs() as logs:
        for _ in range(2):
            trouble.is_there("refused")
            trouble.is_over()

    assert [each["event"] for each in logs] == ["relay_waits", "relay_goes_on"] * 2
