"""Names of static files: hashed once they have been gathered, plain before.

`collectstatic` writes a manifest; from then on every name carries the hash of its content and browsers keep
it for good. Imports between JavaScript modules are rewritten to hashed names too.
"""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # WhiteNoise ships no types.
    """Hashed and compressed static files, ES modules included."""

    support_js_module_import_aggregation = True

    def stored_name(self, name: str) -> str:
        """Return the hashed name, or `name` itself where nothing has been gathered (tests)."""
        return str(super().stored_name(name)) if self.hashed_files else name
