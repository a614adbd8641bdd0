"""Correction of misspelled words: missing, extra, wrong and swapped letters.

The index holds the bigrams of every word of a vocabulary. One edit changes at most three bigrams, so words that share
too few with the query are left out by counting, and the distance is computed for the rest only. Whether a word needs a
correction is the caller's question: the index knows words, not instruments.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

MIN_LENGTH: Final = 4  # Chosen: every word of three letters is one edit away from dozens of symbols.
MAX_LENGTH: Final = 24  # Chosen: above the longest symbol with derivatives, and it bounds the time of one correction.
LONG_LENGTH: Final = 8  # Chosen: from here on two edits still leave most of a word.
PREFIX_LENGTH: Final = 5  # Chosen: shorter beginnings are near to too many words.
BIGRAMS_PER_EDIT: Final = 3  # Swapping two letters changes the pair and both neighbors.
COMPARED: Final = 64  # Chosen: 3 ms of comparison; the right word is among those that share most.


class SpellingIndex:
    """The words of a vocabulary by their bigrams. It never changes after creation."""

    def __init__(self, ranked: Iterable[tuple[str, int]]) -> None:
        """Index each word once, with its lowest rank."""
        best: dict[str, int] = {}
        for word, rank in ranked:
            best[word] = min(rank, best.get(word, rank))
        self._words = sorted(best)
        self._ranks = [best[word] for word in self._words]
        places: dict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(self._words):
            for bigram in _bigrams(word):
                places[bigram].append(place)
        self._places = {bigram: np.array(found, dtype=np.int32) for bigram, found in places.items()}

    def __len__(self) -> int:
        return len(self._words)

    def is_beginning(self, text: str) -> bool:
        """Return whether a word of the vocabulary begins with `text`."""
        place = bisect_left(self._words, text)
        return place < len(self._words) and self._words[place].startswith(text)

    def correct(self, word: str, *, limit: int) -> list[str]:
        """Return at most `limit` words that `word` may mean, nearest first; empty where none is near.

        One edit is accepted from MIN_LENGTH letters on, two from LONG_LENGTH on; the beginning of a word may have one.
        """
        if not MIN_LENGTH <= len(word) <= MAX_LENGTH:
            return []
        near = sorted(self._near(word))
        return [self._words[place] for *_, place in near[:limit]]

    def _near(self, word: str) -> Iterator[tuple[float, bool, int, int, int]]:
        most = 2 if len(word) >= LONG_LENGTH else 1
        for place in self._sharing(word, most):
            other = self._words[place]
            whole, beginning = _distances(word, other)
            edits: float = whole
            if whole > most:
                if beginning > 1 or len(word) < PREFIX_LENGTH:
                    continue
                # A whole word that is as near is better.
                edits = beginning + 0.5
            yield edits, other[0] != word[0], self._ranks[place], len(other), place

    def _sharing(self, word: str, edits: int) -> list[int]:
        """Return the places of the words that share enough bigrams with `word`, at most COMPARED."""
        bigrams = _bigrams(word)
        found = [self._places[one] for one in bigrams if one in self._places]
        if not found:
            return []
        shared = np.bincount(np.concatenate(found))
        places = np.flatnonzero(shared >= max(1, len(bigrams) - BIGRAMS_PER_EDIT * edits))
        return [int(one) for one in places[np.argsort(-shared[places], kind="stable")][:COMPARED]]


def _bigrams(word: str) -> set[str]:
    # The marks at both ends make the first and the last letter count as much as the others.
    marked = f"^{word}$"
    return {marked[place : place + 2] for place in range(len(marked) - 1)}


def _distances(word: str, other: str) -> tuple[int, int]:
    """Return the edits from `word` to `other`, and to the nearest beginning of `other`; a swap is one edit."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(word, start=1):
        current = [row]
        for column, facing in enumerate(other, start=1):
            edits = min(last[column] + 1, current[-1] + 1, last[column - 1] + (letter != facing))
            is_swap = row > 1 and column > 1 and letter == other[column - 2] and word[row - 2] == facing
            current.append(min(edits, before[column - 2] + 1) if is_swap else edits)
        before, last = last, current
    return last[-1], min(last)
