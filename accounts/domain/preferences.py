"""How a trader wants the terminal to look and behave. The values are those of the database and of the pages."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Theme(StrEnum):
    """Colors of the pages."""

    AUTO = "auto"  # dark or light, as the system
    LIGHT = "light"
    DARK = "dark"
    CONTRAST = "contrast"


class PriceColors(StrEnum):
    """The colors of a rise and of a fall. Arrows and signs show the direction with either pair."""

    BLUE_ORANGE = "blue-orange"  # color-blind traders can distinguish them
    GREEN_RED = "green-red"


class Density(StrEnum):
    """Height of the rows of a chain and of a watchlist."""

    COMFORTABLE = "comfortable"
    COMPACT = "compact"


# As the browser's socket offers (RATES_HZ of `marketdata.streaming.outbox`; a test compares them).
UPDATE_RATES_HZ: Final = (1, 4, 10)


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences of one trader; those of a new one are the defaults."""

    theme: Theme = Theme.AUTO
    price_colors: PriceColors = PriceColors.BLUE_ORANGE
    density: Density = Density.COMFORTABLE
    # Chosen: people cannot read 10 frames a second, and a frame costs layout and paint.
    update_rate_hz: int = 4
    has_letter_keys: bool = True  # single-letter shortcuts, which speech input may type by accident (WCAG 2.1.4)
