"""The metrics of several web processes as one scrape, and the part of /health about them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from pytest_django import Settings

from terminal.admission import Sockets
from terminal.health import check_web
from terminal.health_parts import Status
from terminal.web_processes import WebProcess, merge_families


def make_registry(*, requests: int) -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("web_requests", "Requests.", ["status"], registry=registry).labels("200").inc(requests)
    Histogram("web_seconds", "Seconds.", buckets=(0.5,), registry=registry).observe(0.1)
    Gauge("web_browsers", "Browsers.", registry=registry).set(requests / 2)
    return registry


def text_of(registry: Collector) -> str:
    return generate_latest(registry).decode()


def test_every_sample_names_its_process_and_every_metric_is_described_once() -> None:
    own, other = make_registry(requests=4), make_registry(requests=8)

    class Merged(Collector):
        def collect(self) -> list[Metric]:
            return merge_families({"1": own.collect(), "2": text_string_to_metric_families(text_of(other))})

    lines = text_of(Merged()).splitlines()

    assert 'web_requests_total{process="1",status="200"} 4.0' in lines
    assert 'web_requests_total{process="2",status="200"} 8.0' in lines
    assert 'web_browsers{process="2"} 4.0' in lines
    assert 'web_seconds_bucket{le="0.5",process="2"} 1.0' in lines
    assert len([line for line in lines if line.startswith("# TYPE web_requests_total")]) == 1


def test_health_names_the_web_processes_that_do_not_answer(settings: Settings) -> None:
    settings.WEB_PROCESSES = 4

    part = check_web(Sockets(), WebProcess(number=2), silent=[1, 4])

    assert (part.status, part.details["process"], part.details["processes"]) == (Status.DEGRADED, 2, 4)
    assert part.reason == "no answer of web process 1, 4: ended, frozen or starting"
    assert check_web(Sockets(), WebProcess(number=2)).status is Status.OK


def test_a_process_knows_the_numbers_of_the_others(settings: Settings) -> None:
    assert WebProcess().list_others() == []

    settings.WEB_PROCESSES = 3
    assert WebProcess(number=2).list_others() == [1, 3]
