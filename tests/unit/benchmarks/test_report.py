"""Figures of benchmarks: their ratio and verdict, the file between benchmark and run, the table and the JSON."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.report import MET, MISSED, Ended, Figure
from devstack import commands

FASTER = Figure("day", "recentre", 20.0, "ms", 25.0, alternative="row by row", alternative_value=300.0, least_ratio=10)
FRAMES = Figure("fanout", "frames", 700.0, "/s", 800.0, is_minimum=True, alternative="layer", alternative_value=70.0)
PLAIN = Figure("search", "memory", 1.2, "MiB")


def ended(*recorded: Figure, exit_code: int = 0, is_other: bool = False) -> Ended:
    return Ended("bench_day", "c0ffee", exit_code, 1.0, 0.5, recorded, is_other)


@pytest.mark.parametrize(
    ("figure", "ratio", "verdict"),
    [
        (FASTER, 15.0, MET),
        (FRAMES, 10.0, MISSED),
        (PLAIN, None, ""),
        (Figure("day", "above its budget", 26.0, "ms", 25.0), None, MISSED),
        (Figure("day", "at its budget", 25.0, "ms", 25.0), None, MET),
        (Figure("day", "a low ratio", 20.0, "ms", 25.0, alternative_value=100.0, least_ratio=10), 5.0, MISSED),
        (Figure("day", "no alternative ran", 20.0, "ms", 25.0, least_ratio=10), None, MISSED),
        (Figure("feed", "enough", 900.0, "/s", 800.0, is_minimum=True), None, MET),
        (Figure("feed", "nothing arrived", 0.0, "/s", is_minimum=True, alternative_value=5.0), 0.0, ""),
    ],
)
def test_a_figure_is_judged_by_its_budget_and_its_ratio(figure: Figure, ratio: float | None, verdict: str) -> None:
    assert figure.ratio == ratio
    assert figure.verdict == verdict


def test_what_a_benchmark_records_its_run_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "recorded.jsonl"
    monkeypatch.setenv(report.RECORD_VARIABLE, str(path))

    report.record(FASTER)
    report.record(PLAIN)

    assert report.read_recorded(path) == [FASTER, PLAIN]
    assert report.read_recorded(tmp_path / "of a checkout without records") == []


def test_a_benchmark_without_a_run_only_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(report.RECORD_VARIABLE, raising=False)

    report.record(FASTER)

    printed = " ".join(capsys.readouterr().out.split())
    assert printed == "recentre 20.0 ms budget 25.0, 10x row by row 300 ms (15.0x) met"


def test_the_table_has_each_figure_of_this_checkout_once() -> None:
    lines = report.make_table([ended(FASTER, PLAIN), ended(FRAMES)]).splitlines()

    assert lines[0].split() == list(report.HEADINGS)
    assert [line.split()[0] for line in lines[2:]] == ["day", "search", "fanout"]
    assert lines[4].split() == ["fanout", "frames", "700", "/s", "≥", "800", "70.0", "/s", "10.0x", "missed"]
    assert len({len(line) for line in lines[:2]}) == 1


def test_paired_runs_have_the_figures_of_the_other_checkout_in_their_rows() -> None:
    before = Figure("day", "recentre", 41.0, "ms")

    table = report.make_table([ended(before, is_other=True), ended(FASTER, PLAIN)])

    head, _, recentre, memory = table.splitlines()
    assert head.endswith("Other checkout")
    assert recentre.endswith("41.0 ms")
    assert memory.split() == ["search", "memory", "1.20", "MiB"]


def test_the_summary_counts_verdicts_and_names_failed_benchmarks() -> None:
    runs = [ended(FASTER, FRAMES), ended(PLAIN, exit_code=1), ended(FASTER, is_other=True)]

    assert report.summarize(runs) == "Figures: 3 (1 met, 1 missed, 1 without a budget). Failed: bench_day."


def test_the_file_of_a_run_has_its_host_and_every_figure(tmp_path: Path) -> None:
    host = report.describe_host(tmp_path)
    began_at = datetime(2026, 11, 28, 19, 2, 11, tzinfo=UTC)

    path = report.write_json(tmp_path / "bench", [ended(FASTER)], arguments=["day"], began_at=began_at, host=host)

    assert path.name == "20261128T190211Z.json"
    content = json.loads(path.read_text())
    assert content["date"] == "2026-11-28T19:02:11+00:00"
    assert content["arguments"] == ["day"]
    assert {"commit", "is_modified", "cores", "load", "load_after", "python"} <= content.keys()
    [run] = content["benchmarks"]
    assert run["commit"] == "c0ffee"
    [row] = run["recorded"]
    assert (row["promise"], row["value"], row["budget"], row["ratio"], row["verdict"]) == ("recentre", 20, 25, 15, MET)


@pytest.mark.parametrize("arguments", [["--browsers", "20"], ["no such benchmark"], ["a", "--browsers", "20"]])
def test_options_need_the_name_of_one_benchmark(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.bench(arguments) == 2
    assert "bench_fanout" in capsys.readouterr().out


def test_a_run_of_two_checkouts_makes_one_table_and_one_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = (
        "from benchmarks.report import Figure, record\ndef main():\n    record(Figure('x', 'answer', 42.0, 'ms'))\n"
    )
    other = "def main():\n    print('an older benchmark')\n"
    for name, text in (("mine", source), ("other", other)):
        directory = tmp_path / name / "benchmarks"
        directory.mkdir(parents=True)
        (directory / "bench_x.py").write_text(text)
        (directory / "__init__.py").write_text("")
        for module in ("__main__.py", "report.py"):
            if text is source:
                (directory / module).write_text((commands.ROOT / "benchmarks" / module).read_text())

    assert commands.bench(["x", "--against", str(tmp_path / "other")], tmp_path / "mine") == 0

    printed = capfd.readouterr().out
    assert "Figures: 1 (0 met, 0 missed, 1 without a budget). .run/bench/" in printed
    [written] = (tmp_path / "mine" / ".run" / "bench").iterdir()
    assert [one["is_other"] for one in json.loads(written.read_text())["benchmarks"]] == [True, False]
