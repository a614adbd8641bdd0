"""The broker's answer about the account of an access token, and the objections to a token."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marketdata.dhan.profiles import Profile, find_objection, read_profile
from tests.broker_answers import JSON

US = "1000000001"
NOW = datetime(2025, 3, 30, 10, 0, tzinfo=UTC)  # 15:30 IST
RECORDED = {
    "dhanClientId": US,
    "tokenValidity": "30/03/2025 15:37",
    "activeSegment": "Equity, Derivative, Currency, Commodity",
    "ddpi": "Active",
    "mtf": "Active",
    "dataPlan": "Active",
    "dataValidity": "2024-12-05 09:37:52.0",
}


def test_a_recorded_profile_is_read_and_its_token_accepted() -> None:
    profile = read_profile(RECORDED)

    assert profile == Profile(US, datetime(2025, 3, 30, 10, 7, tzinfo=UTC), "Active")
    assert find_objection(profile, client_id=US, now=NOW) == ""


@pytest.mark.parametrize(
    ("changed", "objection"),
    [
        ({"dhanClientId": "2"}, "This access token belongs to another client id."),
        ({"dhanClientId": 2}, "This access token belongs to another client id."),
        ({"dhanClientId": 1000000001}, ""),
        ({"tokenValidity": "30/03/2025 15:29"}, "This access token has expired already."),
        ({"tokenValidity": "30/03/2025 15:30"}, ""),
        (
            {"dataPlan": "Deactive"},
            "The account of this access token has no active data plan, but 'Deactive': the feed would refuse it.",
        ),
        ({"dataPlan": "ACTIVE"}, ""),
    ],
)
def test_an_objection_is_a_sentence(changed: dict[str, object], objection: str) -> None:
    assert find_objection(read_profile(RECORDED | changed), client_id=US, now=NOW) == objection


@pytest.mark.parametrize("odd", [None, "", "-", True, ["a"], {}, float("nan"), "2025-03-30T15:37", "99/99/2025 15:37"])
def test_an_odd_validity_or_plan_of_no_text_is_no_objection(odd: object) -> None:
    profile = read_profile(RECORDED | {"tokenValidity": odd, "dataPlan": None})

    assert profile.valid_until is None
    assert find_objection(profile, client_id=US, now=NOW) == ""


validities = st.builds(
    "{:02}/{:02}/{:04} {:02}:{:02}".format, *(st.integers(0, most) for most in (31, 12, 9999, 24, 60))
)


@given(answer=st.fixed_dictionaries({}, optional=dict.fromkeys(RECORDED, JSON) | {"tokenValidity": validities | JSON}))
@example(answer={"tokenValidity": "31/12/9999 23:59"})
@example(answer={"tokenValidity": "01/01/0001 00:00"})
def test_arbitrary_fields_are_read_or_unknown(answer: dict[str, object]) -> None:
    assert isinstance(find_objection(read_profile(answer), client_id=US, now=NOW), str)
