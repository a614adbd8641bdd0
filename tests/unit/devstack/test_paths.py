"""The directories of the runner."""

from pathlib import Path

from devstack.paths import external_directory_name


def test_the_external_directory_name_is_short_and_unique_to_a_checkout() -> None:
    name = external_directory_name(Path("/srv/checkout"), "an-id")

    assert name == external_directory_name(Path("/srv/checkout"), "an-id")
    assert len(name) == 12
    assert name != external_directory_name(Path("/srv/checkout"), "another-id")
    assert name != external_directory_name(Path("/srv/copy"), "an-id")
