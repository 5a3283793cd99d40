import socket
from pathlib import Path

from orchestrator.dev import ports
from orchestrator.dev.folder import Folder


def test_a_kept_folder_gives_a_server_the_ports_it_had_before(tmp_path: Path) -> None:
    first = Folder(tmp_path, kept=True).choose_ports("kafka", 2, anew=False)
    assert Folder(tmp_path, kept=True).choose_ports("kafka", 2, anew=False) == first


def test_each_server_has_ports_of_its_own(tmp_path: Path) -> None:
    folder = Folder(tmp_path, kept=True)
    redis, postgres = (folder.choose_ports(name, 1, anew=False) for name in ("redis", "postgres"))
    assert redis != postgres
    assert folder.choose_ports("redis", 1, anew=False) == redis


def test_a_port_that_somebody_else_has_taken_meanwhile_is_not_chosen_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path, kept=True)
    [before] = folder.choose_ports("redis", 1, anew=False)
    with socket.create_server((ports.LOOPBACK, before)):
        assert folder.choose_ports("redis", 1, anew=False) != [before]


def test_a_server_that_was_beaten_to_its_port_gets_another_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path, kept=True)
    before = folder.choose_ports("redis", 1, anew=False)
    assert folder.choose_ports("redis", 1, anew=True) != before


def test_a_broken_memory_of_ports_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("{")
    folder = Folder(tmp_path, kept=True)
    chosen = folder.choose_ports("redis", 1, anew=False)
    assert folder.choose_ports("redis", 1, anew=False) == chosen
