"""Histograms, and the JSON encoding of an owner's statistics."""

from dataclasses import asdict

import numpy as np
import orjson

from marketdata.domain.feed_statistics import FeedStatistics, Histogram


def test_a_value_is_counted_in_the_first_bucket_that_contains_it() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.add(value)

    reading = histogram.read()

    assert reading.cumulative() == [("0.1", 2.0), ("1", 3.0), ("+Inf", 4.0)]
    assert reading.total == 7.65


def test_adding_many_values_equals_adding_each() -> None:
    values = np.array([0.0, 0.1, 0.11, 1.0, 2.0, -3.0])
    at_once, one_by_one = Histogram((0.1, 1.0)), Histogram((0.1, 1.0))
    at_once.add_all(values)
    for value in values.tolist():
        one_by_one.add(value)

    assert at_once.read() == one_by_one.read()


def test_a_negative_value_is_counted_as_zero() -> None:
    histogram = Histogram((0.1,))
    histogram.add(-5.0)

    assert (histogram.read().counts, histogram.read().total) == ((1, 0), 0.0)


def test_statistics_survive_their_json_encoding() -> None:
    lags = Histogram((1.0, 2.0))
    lags.add(1.5)
    statistics = FeedStatistics(packets=7, reconnects={"mute": 2}, trade_lag=lags.read())

    assert FeedStatistics.parse(orjson.loads(orjson.dumps(asdict(statistics)))) == statistics
