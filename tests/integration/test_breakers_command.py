"""`omninode breakers` and its task: what the fleet's breakers do is seen, and changed by hand."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitoring.rollup.reading import FleetSource
from orchestrator import keys, redis, settings
from orchestrator.breaker.report import Report
from orchestrator.breaker.store import Store
from orchestrator.cli import cli
from orchestrator.dev.ports import free
from orchestrator.dev.stack import Addresses
from orchestrator.errors import InvalidBreaker
from orchestrator.index.operations import identity
from orchestrator.policy import Policy
from tasks.admin import control_breaker
from tests.servers import clean_redis

POLICY = Policy(failure_threshold=3, open_seconds=600, open_cap_seconds=600, open_jitter=0)
FAILURE = "connect to redis://:hunter2@cache failed \x1b[31m"


@pytest.fixture(scope="module")
def _module_redis(stack: Addresses) -> Iterator[str]:
    with clean_redis(stack.redis_url) as url:
        yield url


@pytest.fixture
def store(_module_redis: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Three breakers: `billing` has opened, `model:gpt` has two failures of forty, `model:local` is clean."""
    monkeypatch.setenv("REDIS_URL", _module_redis)
    settings.use(settings.load())
    with redis.connect(_module_redis) as client:
        client.flushdb()
        made = Store(client, chance=lambda: 0.0)
        for name in ("billing", "model:gpt", "model:local"):
            made.register(name, POLICY)
        made.report("billing", POLICY, Report(0, failed=3, error=FAILURE))
        made.report("model:gpt", POLICY, Report(0, ok=38, slow=1))
        made.report("model:gpt", POLICY, Report(0, failed=2, error="HTTP 503"))
        yield made
    settings.forget()


@pytest.fixture
def run(store: Store) -> Callable[..., Result]:
    runner = CliRunner()
    return lambda *arguments, **others: runner.invoke(cli, ["breakers", *arguments], **others)


def told(done: Result) -> Any:
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def changed(store: Store, name: str) -> list[tuple[str, str, str, str]]:
    return [(each.before, each.after, each.why, each.who) for each in store.history(name, 10)]


def test_a_circuit_that_is_opened_by_hand_is_counted_for_the_fleet(
    run: Callable[..., Result], store: Store
) -> None:
    told(run("open", "model:local", "--why", "maintenance", "--json"))
    (counted,) = FleetSource(settings.current()).snapshot().total.events.items()

    assert counted == (("circuit_breaker_trip", "model:local"), 1)


def test_a_list_shows_what_every_breaker_does_and_no_secret(run: Callable[..., Result]) -> None:
    done = run("list")

    assert done.exit_code == 0
    assert [[each.strip() for each in line.split("  ") if each] for line in done.stdout.splitlines()] == [
        ["breaker", "state", "in a row", "trips", "waiting", "window"],
        ["billing", "open", "0/3", "1", "0", "-"],
        ["the next probe in 10m; connect to redis://:****@cache failed \\x1b[31m"],
        ["model:gpt", "closed", "2/3", "0", "0", "5%/50%, 2% slow of 40"],
        ["HTTP 503"],
        ["model:local", "closed", "0/3", "0", "0", "-"],
    ]
    assert "hunter2" not in done.stdout
    assert "\x1b" not in done.stdout


def test_a_list_takes_names_patterns_and_open(run: Callable[..., Result]) -> None:
    def listed(*arguments: str) -> list[str]:
        return [each["name"] for each in told(run("list", "--json", *arguments))["breakers"]]

    assert listed() == ["billing", "model:gpt", "model:local"]
    assert listed("model:*") == ["model:gpt", "model:local"]
    assert listed("--open") == ["billing"]
    assert listed("model:*", "--open") == []
    assert run("list", "model:*", "--open").stdout == "no breaker holds calls back\n"
    assert run("list", "shop*").stdout == "no breaker matches\n"


def test_tasks_that_wait_are_counted_by_breaker(run: Callable[..., Result], store: Store) -> None:
    with redis.connect(settings.current().redis_url) as client:
        client.zadd(keys.aside("billing"), {"one": 1, "two": 2})

    waiting = {each["name"]: each["waiting"] for each in told(run("list", "--json"))["breakers"]}

    assert waiting == {"billing": 2, "model:gpt": 0, "model:local": 0}


def test_a_broker_that_is_away_hides_no_breaker(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{free(1)[0]}/0")
    settings.use(settings.load())

    done = run("list", "billing")

    assert (done.exit_code, done.stdout.splitlines()[1].split()[-2]) == (0, "?")
    assert done.stderr == "the broker does not answer: how many tasks wait is unknown\n"


def test_one_breaker_is_shown_with_its_policy_its_retries_and_its_history(run: Callable[..., Result]) -> None:
    done = run("show", "billing")
    (shown,) = told(run("show", "billing", "--json"))["breakers"]

    assert done.stdout.startswith("billing: open, the next probe in 10m\n  circuit       open since ")
    assert "(3 failures in a row)\n" in done.stdout
    assert "\n                open_seconds = 600.0\n" in done.stdout
    assert "0 first attempts, 0 retries in the last minute, 10 allowed\n" in done.stdout
    assert done.stdout.endswith(
        " UTC  closed → open  3 failures in a row:\n"
        "                connect to redis://:****@cache failed \\x1b[31m\n"
    )
    assert (shown["word"], shown["tripped"], shown["policy"]["failure_threshold"]) == ("open", 1, 3)
    assert shown["error"].startswith("connect to redis://:****@cache failed")
    assert [each["after"] for each in shown["history"]] == ["open"]


def test_a_breaker_is_isolated_for_a_while_and_everybody_sees_by_whom_and_why(
    run: Callable[..., Result], store: Store
) -> None:
    done = run("isolate", "model:gpt", "--why", "it moves", "--for", "2h", "--who", "ada@laptop")

    (state,) = store.read(["model:gpt"])
    assert (done.exit_code, done.stdout) == (0, "model:gpt: isolated, for 2h\n")
    assert (state.mode, round(state.mode_left_seconds or 0, -1)) == ("isolated", 7200)
    assert changed(store, "model:gpt") == [("auto", "isolated", "by hand: it moves", "ada@laptop")]
    assert "by ada@laptop: it moves" in run("show", "model:gpt").stdout
    assert " UTC  by itself → isolated  by hand: it moves" in run("history", "model:gpt").stdout


@pytest.mark.parametrize(
    ("action", "word", "left"),
    [
        ("open", "open", 600),
        ("close", "closed", 0),
        ("disable", "disabled", 0),
        ("shadow", "shadow", 0),
        ("reset", "closed", 0),
    ],
)
def test_what_is_done_by_hand_holds_at_once(
    run: Callable[..., Result], action: str, word: str, left: float
) -> None:
    (state,) = told(run(action, "model:local", "--why", "a try", "--json"))["breakers"]

    assert (state["word"], state["left_seconds"], state["mode_left_seconds"]) == (word, left, None)


def test_a_reset_breaker_shows_nothing_of_what_was_before_which_is_in_its_history(
    run: Callable[..., Result], store: Store
) -> None:
    run("reset", "billing", "--why", "a new server")

    (shown,) = told(run("show", "billing", "--json"))["breakers"]
    cleared = {
        name: shown[name] for name in ("tripped", "tripped_at", "trips", "error", "error_at", "failures")
    }
    assert cleared == {
        "tripped": 0,
        "tripped_at": None,
        "trips": 0,
        "error": "",
        "error_at": None,
        "failures": 0,
    }
    assert [each["after"] for each in shown["history"]] == ["closed", "open"]


def test_what_is_shown_fits_eighty_columns_and_show_has_all_of_it(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    why = "maintenance " * 80 + "ends"
    run("isolate", "model:gpt", "--why", why)

    shown = {command: run(command).stdout for command in ("list", "history")}
    shown["show"] = run("show", "billing", "model:gpt").stdout

    assert {name: max(map(len, text.splitlines())) <= 80 for name, text in shown.items()} == {
        "list": True,
        "history": True,
        "show": True,
    }
    assert " ".join(shown["show"].split()).count(why) == 2
    assert shown["history"].count("maintenance") < 30


def test_whoever_does_it_is_the_user_of_the_command(run: Callable[..., Result], store: Store) -> None:
    run("close", "billing", "--why", "a false alarm")

    assert changed(store, "billing")[0] == ("open", "closed", "by hand: a false alarm", identity())


def test_a_pattern_is_asked_about_and_needs_yes_where_nobody_can_be_asked(
    run: Callable[..., Result], store: Store
) -> None:
    refused = run("isolate", "model:*", "--why", "a try")
    untouched = [state.mode for state in store.read(["model:gpt", "model:local"])]
    done = run("isolate", "model:*", "billing", "--why", "a try", "--yes")

    assert (refused.exit_code, untouched) == (2, ["auto", "auto"])
    assert "say --yes, or name the breakers one by one" in refused.stderr
    assert done.stdout.splitlines() == [
        "billing: isolated, until it is changed",
        "model:gpt: isolated, until it is changed",
        "model:local: isolated, until it is changed",
    ]


def test_an_unknown_name_is_refused_with_those_that_it_may_have_meant(
    run: Callable[..., Result], store: Store
) -> None:
    done = run("isolate", "billing", "model:gtp", "--why", "a try")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: no call has been made through a breaker 'model:gtp' yet"
        " (is 'model:gpt' or 'model:local' meant?)"
        " (with --create it is isolated before its first call)\n"
    )
    assert store.read(["billing"])[0].mode == "auto"
    for command in ("show", "list", "history"):
        assert (run(command, "model:gtp").exit_code, run(command, "model:gtp").stdout) == (1, "")


def test_of_several_names_none_is_changed_if_one_is_none(run: Callable[..., Result], store: Store) -> None:
    done = run("isolate", "billing", "", "--why", "a try", "--create")

    assert (done.exit_code, store.read(["billing"])[0].mode) == (1, "auto")
    assert "a breaker's name must have 1 to 200 characters" in done.stderr


def test_a_dependency_can_be_isolated_before_its_first_use(run: Callable[..., Result], store: Store) -> None:
    done = run("isolate", "new", "--why", "not yet", "--create")

    assert (done.exit_code, done.stdout) == (
        0,
        "new: isolated, until it is changed (it has had no call yet)\n",
    )
    assert store.register("new", POLICY)[0].mode == "isolated"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["open", "billing"], "Missing option '--why'"),
        (["open", "billing", "--why", " "], "say --why"),
        (["open", "billing", "--why", "x", "--for", "soon"], "no length of time such as 90s"),
        (["close", "billing", "--why", "x", "--for", "5m"], "No such option"),
        (["open", "--why", "x"], "Missing argument"),
    ],
)
def test_a_wrong_use_is_a_sentence(run: Callable[..., Result], arguments: list[str], sentence: str) -> None:
    done = run(*arguments)

    assert (done.exit_code, sentence in done.stderr) == (2, True), done.output


def test_what_no_breaker_can_be_told_is_a_sentence(run: Callable[..., Result]) -> None:
    done = run("open", "billing", "--why", "x" * 1001)

    assert (done.exit_code, "why must be a text of at most 1,000 characters" in done.stderr) == (1, True)


def test_a_redis_that_is_away_is_a_sentence(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free(1)[0]}/0")
    settings.use(settings.load())

    done = run("list")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: Redis does not answer: ")
    assert done.stderr.endswith(" (is it running, and is REDIS_URL right?)\n")


def test_something_else_under_a_breakers_name_hides_no_other(
    run: Callable[..., Result], store: Store
) -> None:
    with redis.connect(settings.current().redis_url) as client:
        client.delete(keys.breaker("billing"))
        client.set(keys.breaker("billing"), "not a hash")

    done = run("list", "--json")

    assert [each["name"] for each in json.loads(done.stdout)["breakers"]] == ["model:gpt", "model:local"]
    assert done.stderr.startswith("billing cannot be read: ")


def test_the_history_of_all_is_the_latest_first_and_bounded(run: Callable[..., Result]) -> None:
    run("open", "model:gpt", "--why", "a try")
    run("close", "model:gpt", "--why", "a try")

    told_ = told(run("history", "--limit", "2", "--json"))["transitions"]

    assert [(each["name"], each["before"], each["after"]) for each in told_] == [
        ("model:gpt", "open", "closed"),
        ("model:gpt", "closed", "open"),
    ]
    assert run("history", "model:local").stdout.startswith("nothing has happened to 'model:local' yet")
    assert run("history", "shop*").stdout.startswith("nothing has happened to a breaker that matches 'shop*'")
    both = told(run("history", "*i*", "--json"))["transitions"]
    assert [(each["name"], each["after"]) for each in both] == [("billing", "open")]


def test_a_task_does_the_same_and_returns_the_new_state(store: Store) -> None:
    state = control_breaker("model:gpt", "isolate", why="a deployment", seconds=60, who="the pipeline")
    done = control_breaker("model:gpt", "reset", "it is over")

    assert (state["name"], state["word"], round(state["mode_left_seconds"])) == ("model:gpt", "isolated", 60)
    assert (done["word"], json.loads(json.dumps(done))) == ("closed", done)
    assert changed(store, "model:gpt")[-1] == ("auto", "isolated", "by hand: a deployment", "the pipeline")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("model:gtp", "open", "why"), "is 'model:gpt' or 'model:local' meant"),
        (("billing", "opne"), "there is no action 'opne': there are open, close, isolate"),
        (("billing", "open", "why", -1), "seconds must be a number above 0"),
        (("billing", "open", "why", "5m"), "seconds must be a number above 0"),
        (("billing", "close", "why", 5), "close is done once"),
        (("billing", "open", ["why"]), "why must be a text"),
        (("billing", "open"), "say why: it is kept with what was done"),
        ((7, "open", "why"), "a breaker's name must be text, not 7"),
        ((" ", "open", "why"), "a breaker's name must have 1 to 200 characters, and ' ' is blank"),
    ],
)
def test_a_task_refuses_nonsense_with_a_sentence(
    store: Store, arguments: tuple[Any, ...], sentence: str
) -> None:
    with pytest.raises(InvalidBreaker, match=sentence):
        control_breaker(*arguments)

    assert [state.circuit for state in store.read(["billing", "model:gpt"])] == ["open", "closed"]


def test_a_task_isolates_a_dependency_before_its_first_use(store: Store) -> None:
    with pytest.raises(InvalidBreaker, match="with create=True"):
        control_breaker("new", "isolate", "why")

    assert control_breaker("new", "isolate", "why", create=True)["word"] == "isolated"
