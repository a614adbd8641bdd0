"""The line that describes a failing /health."""

import json

from devstack.probes import Answer, describe_health


def test_only_failing_parts_are_named_with_their_reasons() -> None:
    parts = {
        "database": {"status": "ok", "instruments": 9_000},
        "feed": {"status": "failing", "reason": "no connection is owned"},
        "beat": {"status": "degraded"},
    }

    description = describe_health(Answer(status=503, text=json.dumps({"status": "failing", "parts": parts})))

    assert description == "feed: no connection is owned; beat: degraded"


def test_another_page_is_shown_unchanged() -> None:
    assert describe_health(Answer(status=0, text="no answer (refused)")) == "no answer (refused)"
    assert describe_health(Answer(status=404, text='{"detail": "not found"}')) == '{"detail": "not found"}'
