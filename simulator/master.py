"""A given instrument file as a listing.

Parsing rows is `marketdata.dhan.scrip_master`'s; here only what the simulator needs of them is kept, and what the
exchange no longer trades on the market date is left out of the market. The file itself is served as it is.
"""

from datetime import date
from pathlib import Path

from simulator.instrument_files import InstrumentFiles


class MasterError(Exception):
    """A file that is no instrument master; the text is a sentence."""


def read_master(path: Path, *, today: date) -> InstrumentFiles:
    """Return the listing of the file at `path` as of `today`. Raises MasterError if it is none."""
    raise MasterError(f"{path}: instrument files cannot be read yet, {today}.")
