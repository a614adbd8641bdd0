"""The library of the charts: one unchanged file of an installed package."""

import hashlib
from pathlib import Path

from django.contrib.staticfiles import finders

from terminal.static_files import CHART_LIBRARY, ChartLibraryFinder

# Of dist/lightweight-charts.standalone.production.js in the npm package lightweight-charts 5.1.0, by TradingView.
PUBLISHED_SHA256 = "756b0ba9f58930226d6b8b9d47ad310448ab85d799ea1f7c2c02304777c10b52"


def test_the_chart_library_is_the_file_that_its_authors_published() -> None:
    found = finders.find(CHART_LIBRARY)

    assert isinstance(found, str)
    assert hashlib.sha256(Path(found).read_bytes()).hexdigest() == PUBLISHED_SHA256


def test_nothing_else_of_the_package_is_served() -> None:
    finder = ChartLibraryFinder()

    assert finder.find("charts/__init__.py") == []
    assert [f"{storage.prefix}/{name}" for name, storage in finder.list(None)] == [CHART_LIBRARY]  # type: ignore[attr-defined]
    assert list(finder.list(["*.js"])) == []
