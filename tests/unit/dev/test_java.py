from pathlib import Path

import pytest

from orchestrator.dev.servers.java import Java, Tools, find_tools

_BANNERS = [
    (
        'openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment (build 17.0.15+6-Debian-1deb12u1)',
        17,
    ),
    ('openjdk version "25.0.1" 2025-10-21 LTS\nOpenJDK Runtime Environment Temurin-25.0.1+8', 25),
    ('openjdk version "26-ea" 2026-03-17', 26),
    ('java version "1.8.0_402"', 8),
    ("The operation couldn't be completed. Unable to locate a Java Runtime.", 0),
]


@pytest.mark.parametrize(("banner", "release"), _BANNERS)
def test_the_release_is_read_from_what_java_says(banner: str, release: int) -> None:
    assert Java(Path("/java"), banner).release == release


def test_two_builds_of_one_release_have_caches_of_their_own() -> None:
    debian = Java(Path("/java"), 'openjdk version "17.0.15" (build 17.0.15+6-Debian)')
    temurin = Java(Path("/java"), 'openjdk version "17.0.15" (build 17.0.15+6-Temurin)')
    assert debian.fingerprint != temurin.fingerprint


def test_what_is_missing_is_named_as_a_person_would() -> None:
    assert Tools(java=None, maven=None).missing == "Java 17 or later and Maven"
    assert Tools(java=None, maven=Path("/mvn")).missing == "Java 17 or later"
    assert Tools(java=Java(Path("/java"), ""), maven=None).missing == "Maven"
    assert Tools(java=Java(Path("/java"), ""), maven=Path("/mvn")).missing == ""


def test_an_old_java_in_java_home_does_not_hide_a_newer_one_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_java(tmp_path / "old" / "bin", "11.0.2")
    _fake_java(tmp_path / "new", "21.0.4")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    monkeypatch.setenv("PATH", str(tmp_path / "new"))
    found = find_tools()
    assert found.java is not None
    assert found.java.release == 21
    assert found.missing == "Maven"


def test_a_java_that_only_says_where_to_get_one_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "java").write_text("#!/bin/sh\necho 'Unable to locate a Java Runtime.' >&2\nexit 1\n")
    (tmp_path / "java").chmod(0o755)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_tools().java is None


def _fake_java(folder: Path, version: str) -> None:
    folder.mkdir(parents=True)
    (folder / "java").write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    (folder / "java").chmod(0o755)
