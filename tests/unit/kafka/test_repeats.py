"""What librdkafka says again and again is written once an outage."""

import logging

from orchestrator.kafka.repeats import Repeats


class _Lines:
    """Lines as librdkafka's binding logs them; what comes through the filter, with its level."""

    def __init__(self) -> None:
        self.now = 0.0
        self.filter = Repeats(lambda: self.now)

    def say(self, facility: str, text: str, client: int = 1, level: int = logging.ERROR) -> str | None:
        args = (facility, f"rdkafka#producer-{client}", text)
        record = logging.LogRecord("kafka", level, "", 0, "%s [%s] %s", args, None)
        return record.levelname if self.filter.filter(record) else None


def _refused(port: int, ms: int) -> str:
    broker = f"127.0.0.1:{port}/bootstrap"
    return f"[thrd:{broker}]: {broker}: Connect to ipv4#127.0.0.1:{port} failed: refused (after {ms}ms)"


def test_a_broker_that_is_away_is_one_warning_whoever_finds_out() -> None:
    lines = _Lines()

    assert lines.say("FAIL", _refused(1, 0)) == "WARNING"
    for second in range(200):
        lines.now = second
        assert lines.say("FAIL", _refused(1, second), client=second) is None
    assert lines.say("REQTMOUT", "[thrd:x]: 127.0.0.1:1/7: Timed out 1 in-flight requests") is None
    assert lines.say("FAIL", _refused(2, 0)) == "WARNING"


def test_the_next_outage_is_told_again() -> None:
    lines = _Lines()
    lines.say("FAIL", _refused(1, 0))
    lines.now = 61

    assert lines.say("FAIL", _refused(1, 0)) == "WARNING"


def test_other_lines_keep_their_level_and_are_told_once() -> None:
    lines = _Lines()
    loading = "[thrd:main]: Failed to acquire idempotence PID: Coordinator load in progress: retrying"

    told = [lines.say("GETPID", loading, level=logging.WARNING) for _ in range(3)]
    fatal = [lines.say("FATAL", text) for text in ("[thrd:main]: fenced", "[thrd:main]: corrupt")]

    assert told == ["WARNING", None, None]
    assert fatal == ["ERROR", "ERROR"]


def test_what_is_not_librdkafka_s_is_let_through() -> None:
    record = logging.LogRecord("kafka", logging.INFO, "", 0, "a line", None, None)

    assert [Repeats().filter(record) for _ in range(2)] == [True, True]
