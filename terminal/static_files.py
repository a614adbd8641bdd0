"""Names of static files: with a content hash after `collectstatic`, plain before.

With the manifest of `collectstatic` every name contains the hash of the content, so browsers cache it permanently.
Imports between JavaScript modules are rewritten to the hashed names.
"""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # WhiteNoise ships no types.
    """Hashed and compressed static files, ES modules included."""

    support_js_module_import_aggregation = True

    def stored_name(self, name: str) -> str:
        """Return the hashed name; `name` before `collectstatic`, as in tests."""
        return str(super().stored_name(name)) if self.hashed_files else name
