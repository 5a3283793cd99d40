"""The Prometheus and the Alertmanager that other tests use."""

from contextlib import ExitStack
from pathlib import Path

from tests.observability.servers import start_alertmanager, start_prometheus
from tests.processes import wait_until


def test_prometheus_scrapes_judges_and_tells_alertmanager(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text("groups: [{name: all, rules: [{alert: Always, expr: vector(7)}]}]")
    with ExitStack() as stack:
        alertmanager = stack.enter_context(start_alertmanager())
        scraped = [alertmanager.url.removeprefix("http://")]
        prometheus = stack.enter_context(start_prometheus(scraped, rules=[rules], alertmanager=alertmanager))
        wait_until(prometheus.has_scraped, what="a scrape")
        wait_until(alertmanager.alerts, what="an alert at Alertmanager")

        assert [alert["labels"] for alert in alertmanager.alerts()] == [{"alertname": "Always"}]
        assert prometheus.alerts() == {"Always": "firing"}
        assert prometheus.query("up{job='omninode'} + 1") == [
            ({"instance": scraped[0], "job": "omninode"}, 2.0)
        ]
        assert prometheus.query("scalar(vector(3))") == [({}, 3.0)]
