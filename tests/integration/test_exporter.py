"""An exporter's door, and what it answers while its servers are away."""

import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from orchestrator import keys
from tests.commands import omninode
from tests.exporters import Exporter, start_exporter
from tests.own_redis import OwnRedis, own_redis
from tests.patterns import exposition
from tests.processes import wait_until

_TOKEN = {"OMNINODE_EXPORTER_TOKEN": "s3cret-of-a-test"}


@pytest.fixture(scope="module")
def redis_server() -> Iterator[OwnRedis]:
    with own_redis() as server:
        yield server


@pytest.fixture(scope="module")
def guarded(redis_server: OwnRedis, module_database: str) -> Iterator[Exporter]:
    """One with a token, whose Redis is the module's own."""
    url = f"redis://127.0.0.1:{redis_server.port}/0"
    environment = {"REDIS_URL": url, "DATABASE_URL": module_database}
    with start_exporter(environment=environment | _TOKEN) as started:
        yield started


_BEARER = {"Authorization": "Bearer s3cret-of-a-test"}


@pytest.mark.parametrize("path", ["/", "/metrics", "/health", "/dashboard", "/nothing"])
def test_a_stranger_is_told_to_bring_the_token(guarded: Exporter, path: str) -> None:
    answer = guarded.ask(path)

    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="omninode"'
    assert "omninode_" not in answer.text


@pytest.mark.parametrize("path", ["/", "/metrics", "/dashboard"])
def test_who_brings_it_is_answered(guarded: Exporter, path: str) -> None:
    assert guarded.ask(path, **_BEARER).status == 200


def test_whether_it_is_ready_everybody_may_ask(guarded: Exporter) -> None:
    assert (guarded.ask("/ready").status, guarded.ask("/ready").text) == (200, "ready\n")
    assert omninode("exporter", "--check", "--port", str(guarded.port)).code == 0


def test_a_name_of_the_web_that_leads_here_is_not_answered(guarded: Exporter) -> None:
    answer = guarded.ask("/ready", Host=f"evil.example:{guarded.port}")

    assert answer.status == 403
    assert "loopback name" in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(guarded: Exporter, method: str) -> None:
    answer = guarded.ask("/metrics", method, **_BEARER)

    assert answer.status == 405
    assert "GET" in answer.text


def test_an_unknown_address_says_which_there_are(guarded: Exporter) -> None:
    answer = guarded.ask("/nothing", **_BEARER)

    assert (answer.status, "/metrics" in answer.text) == (404, True)


def test_a_head_has_no_body_and_the_same_headers(guarded: Exporter) -> None:
    answer = guarded.ask("/metrics", "HEAD", **_BEARER)

    assert (answer.status, answer.text) == (200, "")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert int(answer.headers["content-length"]) > 1000


def test_a_browser_may_neither_run_nor_load_nor_frame_anything(guarded: Exporter) -> None:
    headers = guarded.ask("/", **_BEARER).headers

    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 5000,
        b"\x00\x01\x02 nonsense\r\n\r\n",
    ],
)
def test_what_is_too_large_or_no_request_is_closed_and_harms_nobody(guarded: Exporter, sent: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", guarded.port), timeout=10)) as connection:
        connection.sendall(sent)
        assert b"200 OK" not in connection.recv(1000)
    assert guarded.ask("/ready").status == 200


def test_connections_that_say_nothing_keep_nobody_out(guarded: Exporter) -> None:
    with ExitStack() as stack:
        for _ in range(250):
            silent = socket.create_connection(("127.0.0.1", guarded.port), timeout=10)
            stack.enter_context(closing(silent))
        assert guarded.ask("/metrics", **_BEARER).status == 200


def test_many_scrapes_at_once_are_all_answered(guarded: Exporter) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: guarded.ask("/metrics", **_BEARER), range(32)))

    assert {answer.status for answer in answers} == {200}


def test_while_redis_is_away_what_is_unknown_is_absent_and_counters_come_back_where_they_were(
    guarded: Exporter, redis_server: OwnRedis
) -> None:
    redis_server.client.hset(
        keys.metrics("totals"), '["call","shop","order","success"]', "3 3000 1000 1000 -79 3"
    )

    def metrics() -> str:
        return guarded.ask("/metrics", **_BEARER).text

    def known() -> dict[str, float]:
        return {has["what"]: value for has, value in exposition.values(metrics(), "omninode_known")}

    wait_until(lambda: exposition.values(metrics(), "omninode_requests_total"), what="the count")
    redis_server.kill()
    wait_until(lambda: known()["metrics"] == 0, what="the news")
    text = metrics()
    assert exposition.value(text, "omninode_system_health_status") == 2
    for name in ("omninode_requests_total", "omninode_workers", "omninode_queue_messages", "omninode_relays"):
        assert exposition.values(text, name) == [], name
    # PostgreSQL answers all the same.
    assert known()["letters"] == 1
    assert guarded.ask("/ready").status == 503
    assert "127.0.0.1" not in guarded.ask("/ready").text
    assert guarded.ask("/dashboard", **_BEARER).status == 503
    health = guarded.ask("/health", **_BEARER)
    assert (health.status, health.json()["status"], health.json()["error_rate_percent"]) == (
        503,
        "critical",
        None,
    )

    redis_server.start_again()
    wait_until(lambda: known()["metrics"] == 1, what="the return")
    labels = {"component": "shop", "operation": "order", "status": "success"}
    assert exposition.value(metrics(), "omninode_requests_total", **labels) == 3


def test_while_postgresql_is_away_the_rest_is_told(redis_server: OwnRedis) -> None:
    nobody = "postgresql://postgres@127.0.0.1:1/postgres"
    url = f"redis://127.0.0.1:{redis_server.port}/1"
    with start_exporter(environment={"REDIS_URL": url, "DATABASE_URL": nobody}) as exporter:
        text = exporter.metrics()

    known = {has["what"]: value for has, value in exposition.values(text, "omninode_known")}
    assert (known["letters"], known["metrics"], known["queues"]) == (0, 1, 1)
    assert exposition.values(text, "omninode_open_letters") == []
    assert exposition.value(text, "omninode_workers") == 0
    assert exposition.values(text, "omninode_workers") == [({}, 0.0)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it(redis_server: OwnRedis, module_database: str, number: int, code: int) -> None:
    url = f"redis://127.0.0.1:{redis_server.port}/2"
    with start_exporter(environment={"REDIS_URL": url, "DATABASE_URL": module_database}) as exporter:
        exporter.ask("/metrics")
        exporter.process.send_signal(number)
        assert exporter.process.wait(10) == code


def test_a_port_that_is_taken_is_said_in_a_sentence(guarded: Exporter) -> None:
    refused = omninode("exporter", "--port", str(guarded.port))

    assert refused.code == 2
    assert refused.stderr == (
        f"omninode: the exporter cannot listen on 127.0.0.1 port {guarded.port}: address already in use; "
        "choose another with --port or OMNINODE_EXPORTER_PORT\n"
    )


def test_beyond_loopback_it_does_not_start_without_a_token() -> None:
    refused = omninode("exporter", "--host", "0.0.0.0", "--port", "0")  # noqa: S104

    assert refused.code == 2
    assert refused.stderr.startswith("omninode: to listen on 0.0.0.0, which is beyond loopback")


def test_a_check_says_that_none_runs() -> None:
    checked = omninode("exporter", "--check", "--port", "1")

    assert checked.code == 1
    assert checked.stderr.startswith("no exporter answers on 127.0.0.1 port 1: ")
