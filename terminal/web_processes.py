"""The web processes of this host that serve one port: their numbers, and the metrics of each.

One port reaches one of them, chosen by the kernel. So each of several processes also answers with its own metrics at a
loopback port of its own, and the process that receives a scrape reads those of the others: one scrape has all of them,
with the label `process`, and no counter goes backwards. `/health` reads the same ports: a process that has ended or is
frozen does not answer.

A process listens on WEB_METRICS_PORT + number - 1. Only one process can listen on a port, so no two have one number:
a process without a given number takes the first free one.
"""

import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from typing import Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from prometheus_client import start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from terminal.probes import NoAnswer, Probe, ask_all

HOST: Final = "127.0.0.1"
ANSWER_SECONDS: Final = 1.0
"""Chosen: below the deadlines of `/health` and of a scrape (1.5 s). A process that runs answers in milliseconds."""


class ProcessUnreachable(Exception):
    """A web process of this host has ended, is frozen, or is still starting."""


@dataclass(slots=True)
class WebProcess:
    """This web process among those of its host."""

    number: int = 1

    def list_others(self) -> list[int]:
        """Return the numbers of the other web processes of this host, whether they run or not."""
        return [one for one in range(1, settings.WEB_PROCESSES + 1) if one != self.number]


this_process: Final = WebProcess()


def serve_own_metrics(registry: Collector) -> None:
    """Answer the other web processes with the metrics of this one; sets the number of this process.

    Does nothing if there is one web process only. A separate thread answers. Raises ImproperlyConfigured if the port,
    or with WEB_PROCESS_NUMBER=0 every port, is in use.
    """
    if settings.WEB_PROCESSES == 1:
        return
    given, most = settings.WEB_PROCESS_NUMBER, settings.WEB_PROCESSES
    for number in [given] if given else range(1, most + 1):
        with suppress(OSError):  # In use.
            start_http_server(_port(number), addr=HOST, registry=registry)
            this_process.number = number
            return
    ports = _port(given) if given else f"{_port(1)} to {_port(most)}"
    raise ImproperlyConfigured(
        f"WEB_METRICS_PORT={_port(1)}, WEB_PROCESSES={most}: port {ports} of {HOST} is in use, by another program or "
        f"by as many web processes as there may be"
    )


def _port(number: int) -> int:
    port: int = settings.WEB_METRICS_PORT + number - 1
    return port


def others_probes() -> dict[int, Probe]:
    """Return a probe for each other web process of this host, by number; its answer is the text of its metrics."""
    return {number: Probe(partial(_read_metrics, number), ProcessUnreachable) for number in this_process.list_others()}


def _read_metrics(number: int) -> str:
    # Without the proxy of the environment, which cannot reach loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{HOST}:{_port(number)}/metrics", timeout=ANSWER_SECONDS) as answer:
            text: str = answer.read().decode()
    except (OSError, HTTPException, UnicodeDecodeError) as error:
        raise ProcessUnreachable(f"web process {number}: {error}") from error
    return text


class WebProcessesCollector(Collector):
    """Reads the metrics of all web processes of this host; with several, each sample has the label `process`."""

    def __init__(self, own: Collector) -> None:
        self._own = own

    def describe(self) -> Iterable[Metric]:
        """Return the metric of this collector alone: those of the processes have registries of their own."""
        return [_up({})]

    def collect(self) -> Iterable[Metric]:
        """Return the families of every process that answers, and which processes do."""
        probes = others_probes()
        if not probes:
            return self._own.collect()
        answers = ask_all({str(number): probe for number, probe in probes.items()}, seconds=ANSWER_SECONDS)
        read = {number: answer for number, answer in answers.items() if isinstance(answer, str)}
        own = str(this_process.number)
        families = {own: self._own.collect()} | {
            number: text_string_to_metric_families(text) for number, text in read.items()
        }
        is_up = {own: True} | {number: not isinstance(one, NoAnswer) for number, one in answers.items()}
        return [_up(is_up), *merge_families(families)]


def merge_families(families: Mapping[str, Iterable[Metric]]) -> list[Metric]:
    """Return the families of several processes as one each; the label `process` names the process of a sample."""
    merged: dict[str, Metric] = {}
    for process in sorted(families):
        for one in families[process]:
            into = merged.setdefault(one.name, Metric(one.name, one.documentation, one.type))
            for sample in one.samples:
                into.add_sample(sample.name, {**sample.labels, "process": process}, sample.value)
    return list(merged.values())


def _up(is_up: Mapping[str, bool]) -> Metric:
    family = GaugeMetricFamily(
        "terminal_web_up", "Whether a web process of this host answered this scrape.", labels=["process"]
    )
    for process in sorted(is_up):
        family.add_metric([process], float(is_up[process]))
    return family
