"""Correction of misspelled words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.spelling import SpellingIndex

# Symbols with their ranks, as the real list has them: underlyings, shares of NSE, shares of BSE.
RANKED = [
    ("RELIANCE", 0),
    ("RELAXO", 4),
    ("BANKNIFTY", 0),
    ("NIFTY", 0),
    ("FINNIFTY", 0),
    ("HDFCBANK", 0),
    ("HDFCAMC", 0),
    ("CRUDEOIL", 0),
    ("SBIN", 0),
    ("SIBN", 6),
    ("INFOSYS", 1),
    ("TCS", 0),
]
INDEX = SpellingIndex(RANKED)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("RELAINCE", "RELIANCE"),
        ("RELIANC", "RELIANCE"),
        ("RELLIANCE", "RELIANCE"),
        ("BANKNIFY", "BANKNIFTY"),
        ("BNAKNFITY", "BANKNIFTY"),
        ("NITFY", "NIFTY"),
        ("NFTY", "NIFTY"),
        ("HDFCBNAK", "HDFCBANK"),
        ("INFOSIS", "INFOSYS"),
        ("RELIENCE", "RELIANCE"),
    ],
)
def test_missing_extra_wrong_and_swapped_letters_are_corrected(written: str, meant: str) -> None:
    assert INDEX.correct(written, limit=1) == [meant]


def test_of_equally_near_words_the_lowest_rank_is_meant() -> None:
    assert INDEX.correct("SBNI", limit=2) == ["SBIN"]
    assert INDEX.correct("SBBN", limit=2) == ["SBIN", "SIBN"]
    assert SpellingIndex([("SAIL", 4), ("SAIN", 0)]).correct("SAIX", limit=2) == ["SAIN", "SAIL"]


def test_the_beginning_of_a_word_may_have_one_error_while_it_is_typed() -> None:
    assert INDEX.correct("CRUED", limit=1) == ["CRUDEOIL"]
    assert INDEX.correct("CRDU", limit=1) == []


@pytest.mark.parametrize("written", ["", "TSC", "XYZW", "QQQQQQQQ", "X" * 25, "NIFT€€€€"])
def test_a_word_that_is_too_short_too_long_or_far_is_not_corrected(written: str) -> None:
    assert INDEX.correct(written, limit=3) == []


def test_an_empty_vocabulary_corrects_nothing() -> None:
    assert SpellingIndex([]).correct("NIFTY", limit=1) == []
    assert not SpellingIndex([]).is_beginning("N")


def test_a_beginning_is_known() -> None:
    assert INDEX.is_beginning("HDFC")
    assert not INDEX.is_beginning("HDFX")


@given(
    word=st.text(LETTERS, min_size=8, max_size=20),
    others=st.lists(st.text(LETTERS, min_size=8, max_size=20), max_size=20),
    place=st.integers(0, 19),
    letter=st.sampled_from(LETTERS),
    edit=st.sampled_from(["swap", "miss", "extra", "wrong"]),
)
def test_a_word_with_one_error_finds_the_word(word: str, others: list[str], place: int, letter: str, edit: str) -> None:
    at = place % (len(word) - 1)
    written = {
        "swap": word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        "miss": word[:at] + word[at + 1 :],
        "extra": word[:at] + letter + word[at:],
        "wrong": word[:at] + letter + word[at + 1 :],
    }[edit]

    # More than the word can be one edit away; it is among them.
    assert word in SpellingIndex([(one, 0) for one in [word, *others]]).correct(written, limit=21)
