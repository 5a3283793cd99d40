"""What is shown where standard error is no terminal."""

from tasks.hooks.ingest.progress import Lines


def test_a_line_every_five_seconds_with_rate_and_remaining_time() -> None:
    now = [100.0]
    written: list[str] = []
    lines = Lines(written.append, clock=lambda: now[0])
    for second in range(11):
        now[0] = 100.0 + second
        lines.show("sending", hooks=second * 20, done=second * 100, total=2000)
    assert written == [
        "sending: 100 hooks, 20/s (25%), about 15s left",
        "sending: 200 hooks, 20/s (50%), about 10s left",
    ]


def test_an_unknown_length_has_no_remaining_time() -> None:
    now = [0.0]
    written: list[str] = []
    lines = Lines(written.append, clock=lambda: now[0])
    lines.show("sending", 0, 0, None)
    now[0] = 5.0
    lines.show("sending", 10, 900, None)
    assert written == ["sending: 10 hooks, 2/s"]


def test_a_note_is_written_at_once() -> None:
    written: list[str] = []
    Lines(written.append, clock=lambda: 0.0).note("line 3 is refused")
    assert written == ["line 3 is refused"]
