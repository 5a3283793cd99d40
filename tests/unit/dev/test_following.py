from pathlib import Path

import click

from orchestrator.dev.following import Follower, prefixes


def test_only_what_is_written_from_now_on_is_followed(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("before\n")
    follower = Follower("worker", log)
    with log.open("a") as file:
        file.write("one\ntwo\n")
    assert list(follower.lines()) == ["one", "two"]
    assert list(follower.lines()) == []
    follower.close()


def test_a_line_is_shown_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "beat.log"
    log.touch()
    follower = Follower("beat", log)
    with log.open("a", buffering=1) as file:
        file.write("sending du")
        file.flush()
        assert list(follower.lines()) == []
        file.write("e task\nand")
        file.flush()
        assert list(follower.lines()) == ["sending due task"]
    follower.close()


def test_bytes_that_are_no_text_do_not_stop_the_following(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.touch()
    follower = Follower("worker", log)
    log.write_bytes(b"caf\xe9\r\n")
    assert list(follower.lines()) == ["caf\N{REPLACEMENT CHARACTER}"]
    follower.close()


def test_prefixes_are_of_one_width_and_of_different_colours() -> None:
    made = prefixes(["worker", "beat", "flower"])
    assert [click.unstyle(prefix) for prefix in made.values()] == ["worker | ", "beat   | ", "flower | "]
    assert len({prefix[:5] for prefix in made.values()}) == 3
