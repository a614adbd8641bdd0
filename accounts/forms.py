"""Forms of the settings page: they check what a browser sends, and have the words that a trader reads."""

from typing import Any, Final

from django import forms

from accounts.domain.preferences import UPDATE_RATES_HZ, Density, Preferences, PriceColors, Theme

THEMES: Final = [
    (Theme.AUTO.value, "As the system"),
    (Theme.LIGHT.value, "Light"),
    (Theme.DARK.value, "Dark"),
    (Theme.CONTRAST.value, "High contrast"),
]
PRICE_COLORS: Final = [
    (PriceColors.BLUE_ORANGE.value, "Blue and orange"),
    (PriceColors.GREEN_RED.value, "Green and red"),
]
DENSITIES: Final = [
    (Density.COMFORTABLE.value, "Comfortable"),
    (Density.COMPACT.value, "Compact: more strikes on the screen"),
]


def _rate_label(rate_hz: int) -> str:
    return "Once a second" if rate_hz == 1 else f"{rate_hz} times a second"


class ThemeForm(forms.Form):
    """The theme alone, as the button of the terminal's top bar sends it."""

    theme = forms.ChoiceField(label="Theme", choices=THEMES)


class PreferencesForm(ThemeForm):
    """All preferences of a trader."""

    price_colors = forms.ChoiceField(
        label="Rise and fall",
        choices=PRICE_COLORS,
        help_text="Signs and edges show the direction too. Most color-blind traders can distinguish blue and orange.",
    )
    density = forms.ChoiceField(label="Rows", choices=DENSITIES)
    update_rate_hz = forms.TypedChoiceField(
        label="Prices change at most",
        coerce=int,
        choices=[(rate, _rate_label(rate)) for rate in UPDATE_RATES_HZ],
        help_text="A lower rate is easier to read and needs less of the computer. It skips prices, but delays none.",
    )
    has_letter_keys = forms.BooleanField(
        label="Single-letter shortcuts, such as / for the search",
        required=False,
        help_text="Switch them off if you dictate: speech input can press letters by accident.",
    )

    @classmethod
    def of(cls, preferences: Preferences) -> "PreferencesForm":
        """Return the form that shows these preferences."""
        names = cls.base_fields
        return cls(initial={name: getattr(preferences, name) for name in names})

    def preferences(self) -> Preferences:
        """Return the preferences of a valid form."""
        given: dict[str, Any] = self.cleaned_data
        return Preferences(
            theme=Theme(given["theme"]),
            price_colors=PriceColors(given["price_colors"]),
            density=Density(given["density"]),
            update_rate_hz=given["update_rate_hz"],
            has_letter_keys=given["has_letter_keys"],
        )
