import json

import pytest

from tests.commands import omninode

COMMANDS = [
    "adopt",
    "alerts",
    "breakers",
    "dashboard",
    "dead-letters",
    "demo",
    "dev",
    "enqueue",
    "exporter",
    "health",
    "hooks",
    "metrics",
    "queues",
    "relay",
    "running",
    "settings",
    "stack",
    "task",
]


def test_help_lists_every_command_with_a_sentence() -> None:
    done = omninode("--help")

    listed = [
        line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines() if line.strip()
    ]
    assert (done.code, listed) == (0, COMMANDS)


@pytest.mark.parametrize(
    "command", [*COMMANDS, "hooks ingest", "hooks stats", "stack start", "stack stop", "stack status"]
)
def test_every_command_has_help(command: str) -> None:
    done = omninode(*command.split(), "--help")

    assert done.code == 0, done.stderr
    assert done.stdout.startswith(f"Usage: omninode {command}")


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "dev",
        "enqueue",
        "exporter",
        "health",
        "hooks ingest",
        "hooks stats",
        "settings",
        "stack start",
        "stack stop",
        "stack status",
    ],
)
def test_every_command_can_print_json(command: str) -> None:
    assert "--json" in omninode(*command.split(), "--help").stdout


def test_an_unknown_command_is_a_wrong_use() -> None:
    done = omninode("settigns")

    assert done.code == 2
    assert "No such command 'settigns'" in done.stderr


def test_help_imports_no_celery() -> None:
    done = omninode("--help", environment={"PYTHONPROFILEIMPORTTIME": "1"})

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in imported
    assert not imported & {"celery", "pydantic", "psycopg", "redis", "numpy"}


def test_settings_show_where_each_value_came_from() -> None:
    done = omninode(
        "settings", "--json", environment={"KAFKA_MAX_RETRIES": "7", "REDIS_URL": "redis://:hunter2@h/0"}
    )

    shown = json.loads(done.stdout)
    assert (done.code, "hunter2" in done.stdout + done.stderr) == (0, False)
    assert (shown["KAFKA_MAX_RETRIES"]["value"], shown["KAFKA_MAX_RETRIES"]["source"]) == ("7", "environment")
    assert shown["KAFKA_DLQ_SUFFIX"]["source"] == "default"
    assert shown["CELERY_BROKER_URL"] == {
        "variable": "CELERY_BROKER_URL",
        "value": "redis://:****@h/0",
        "source": "REDIS_URL",
        "meaning": "The broker, where it is not REDIS_URL.",
    }


def test_every_setting_is_explained() -> None:
    shown = json.loads(omninode("settings", "--json").stdout)

    assert [name for name, row in shown.items() if not row["meaning"].endswith(".")] == []
    assert shown["OMNINODE_RETENTION_DAYS"]["meaning"] in omninode("settings", "--explain").stdout


def test_a_wrong_setting_ends_a_command_with_a_sentence_and_no_traceback() -> None:
    done = omninode("settings", environment={"TIMEOUT_GRACE_PERIOD": "soon"})

    assert done.code == 2
    assert "TIMEOUT_GRACE_PERIOD=soon: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_slip_of_the_pen_in_a_variables_name_is_noticed() -> None:
    done = omninode("settings", environment={"OMNINODE_LEASE_SECOND": "9"})

    assert (
        "OMNINODE_LEASE_SECOND is set but is not a setting; did you mean OMNINODE_LEASE_SECONDS?"
        in done.stderr
    )
