"""Static files: names with a content hash after `collectstatic`, plain before; and the library of the charts.

With the manifest of `collectstatic` every name contains the hash of the content, so browsers cache it permanently.
Imports between JavaScript modules are rewritten to the hashed names.
"""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from django.contrib.staticfiles import utils
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage

CHART_LIBRARY: Final = "charts/lightweight-charts.js"
"""The name of the chart library among the static files (docs/decisions/0039-chart-library.md)."""
_PACKAGE: Final = "litecharts"
_FOLDER: Final = "js"


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # WhiteNoise ships no types.
    """Hashed and compressed static files, ES modules included."""

    support_js_module_import_aggregation = True
    max_post_process_passes = 20
    """Chosen: above the longest chain of imports between our modules, 11. Each may take a pass; Django stops at 5."""

    def stored_name(self, name: str) -> str:
        """Return the hashed name; `name` before `collectstatic`, as in tests."""
        return str(super().stored_name(name)) if self.hashed_files else name


class ChartLibraryFinder(BaseFinder):
    """Finds the one browser file of the package that carries the chart library, under CHART_LIBRARY."""

    def check(self, **_options: Any) -> list[Any]:
        """Return no messages: the package is locked by hash."""
        return []

    def find(self, path: str, find_all: bool = False, **_options: Any) -> Any:  # noqa: FBT001, FBT002  Django's signature.
        """Return the path of the file for its static name; nothing for other names."""
        found = str(chart_library_path()) if path == CHART_LIBRARY else None
        if find_all:
            return [found] if found else []
        return found or []

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[tuple[str, FileSystemStorage]]:
        """Yield the file and its storage."""
        library = chart_library_path()
        if not utils.matches_patterns(library.name, list(ignore_patterns or ())):
            storage = FileSystemStorage(location=library.parent)
            # collectstatic puts it before the name.
            storage.prefix = CHART_LIBRARY.rpartition("/")[0]  # type: ignore[attr-defined]
            yield library.name, storage


def chart_library_path() -> Path:
    """Return the path of the chart library in the installed package, which is not imported."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{_PACKAGE} is not installed; run: make setup")
    return Path(spec.origin).parent / _FOLDER / CHART_LIBRARY.rpartition("/")[2]
