"""A lock is current as long as the requirements that it was made from have not changed."""

from pathlib import Path

from devstack import lockfiles

ROOT = Path(__file__).resolve().parents[3]


def copy_files(target: Path) -> None:
    for name in ("requirements.txt", "requirements.lock", "requirements-dev.txt", "requirements-dev.lock"):
        (target / name).write_bytes((ROOT / name).read_bytes())


def test_the_locks_of_this_project_are_current_and_hold_a_hash_for_every_package() -> None:
    assert lockfiles.find_outdated(ROOT) == []
    for name in ("requirements.lock", "requirements-dev.lock"):
        lines = (ROOT / name).read_text().splitlines()[1:]
        packages = [line for line in lines if not line.startswith(" ")]
        assert packages
        assert all("==" in line and line.endswith("\\") for line in packages)


def test_a_changed_requirement_makes_both_locks_outdated(tmp_path: Path) -> None:
    copy_files(tmp_path)
    with (tmp_path / "requirements.txt").open("a") as file:
        file.write("attrs==25.4.0\n")

    assert lockfiles.find_outdated(tmp_path) == [
        "requirements.lock does not fit requirements.txt; run: make lock",
        "requirements-dev.lock does not fit requirements-dev.txt; run: make lock",
    ]


def test_a_changed_development_requirement_concerns_its_lock_alone(tmp_path: Path) -> None:
    copy_files(tmp_path)
    with (tmp_path / "requirements-dev.txt").open("a") as file:
        file.write("attrs==25.4.0\n")

    assert lockfiles.find_outdated(tmp_path) == [
        "requirements-dev.lock does not fit requirements-dev.txt; run: make lock"
    ]


def test_a_missing_lock_is_outdated(tmp_path: Path) -> None:
    copy_files(tmp_path)
    (tmp_path / "requirements.lock").unlink()

    assert lockfiles.find_outdated(tmp_path) == ["requirements.lock does not fit requirements.txt; run: make lock"]
