"""Permissions on the path to a directory."""

import pytest

from devstack.privileges import Account, Ownership, may_pass, server_account

NOBODY = Account(uid=65_534, gid=65_534)


def test_servers_run_as_the_present_user_unless_it_is_root() -> None:
    assert server_account(euid=1_000) is None
    assert server_account(euid=0) is not None


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        (Ownership(uid=0, gid=0, mode=0o755), True),
        (Ownership(uid=0, gid=0, mode=0o711), True),
        (Ownership(uid=0, gid=0, mode=0o700), False),
        (Ownership(uid=65_534, gid=0, mode=0o700), True),
        (Ownership(uid=65_534, gid=0, mode=0o077), False),
        (Ownership(uid=0, gid=65_534, mode=0o710), True),
        (Ownership(uid=0, gid=65_534, mode=0o701), False),
    ],
)
def test_entry_needs_the_search_bit_of_the_first_matching_class(directory: Ownership, expected: bool) -> None:
    assert may_pass(NOBODY, [directory]) is expected


def test_one_closed_directory_makes_the_path_unreachable() -> None:
    open_directory, closed = Ownership(uid=0, gid=0, mode=0o755), Ownership(uid=0, gid=0, mode=0o700)

    assert may_pass(NOBODY, [open_directory, closed, open_directory]) is False
    assert may_pass(NOBODY, [open_directory, open_directory]) is True
