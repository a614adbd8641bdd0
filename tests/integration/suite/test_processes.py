"""Processes of tests are forked from one that has loaded Django; each reads the settings of its own environment."""

import os
from pathlib import Path

from tests.processes import PythonProcess

PRINT = (
    "from django.conf import settings; from django.db import connections;"
    " from rest_framework.settings import api_settings; "
    "print('values', settings.REDIS_PREFIX, connections['default'].settings_dict['NAME'], api_settings.NUM_PROXIES)"
)


def test_a_process_reads_the_settings_of_its_own_environment(tmp_path: Path) -> None:
    own = {"REDIS_PREFIX": "own", "DATABASE_URL": "postgres://a:b@127.0.0.1:1/other", "NUM_PROXIES": "3"}

    process = PythonProcess("django", ["shell", "-c", PRINT], environment=os.environ | own, output=tmp_path / "output")

    assert process.wait(60) == 0
    assert "values own other 3\n" in (tmp_path / "output").read_text()
