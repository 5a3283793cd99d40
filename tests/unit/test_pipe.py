"""A reader of standard output that goes away."""

import os
import sys

import click
import pytest

from orchestrator.cli import pipe


def test_a_pipe_that_nobody_reads_ends_the_command_as_a_shell_expects_and_no_handler_takes_it_for_a_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8") as output:
        monkeypatch.setattr(sys, "stdout", output)
        pipe.watch()

        with pytest.raises(SystemExit) as ended:
            _told_to_a_server()
        click.echo("what is said on the way out")

    assert ended.value.code == 141


def _told_to_a_server() -> None:
    try:
        click.echo("a line")
    except OSError as error:
        raise AssertionError("the broker cannot be asked") from error
