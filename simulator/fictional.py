"""Fictional companies, so that search and watchlists have a long tail of shares.

Every name, symbol and id is invented: a name times an industry. Nothing is random, so a company keeps its ids as long
as these lists grow only at their ends. The ids are above all ids that the exchanges used in 2026 (761,655 on NSE,
977,533 on BSE), so they never collide with real ones. The series of NSE, the groups of BSE and their usual ticks are
real. Shares with derivatives are real and are in `equities.csv`.
"""

from dataclasses import dataclass

from simulator.underlyings import Stock

FIRST_NSE_ID = 980_001  # chosen: above all real ids, see above
FIRST_BSE_ID = 990_001  # the same

# Seven letters each, so that name and industry of a symbol are unambiguous.
NAMES = (
    *("Aravika", "Arvanta", "Belvani", "Bhavika", "Chamrit", "Chandol", "Darpani", "Devkosh", "Ekantra", "Falguni"),
    *("Garudon", "Girivan", "Harivan", "Himadra", "Indravi", "Ishvani", "Jaldhar", "Jyotika", "Kamrupa", "Kesarin"),
    *("Kshitra", "Laliton", "Lokmira", "Madhuka", "Malhari", "Meghdut", "Mrigank", "Nandvar", "Navrasi", "Neelkan"),
    *("Ojasvan", "Padmira", "Palashi", "Parijat", "Prabhav", "Pushkal", "Rajvana", "Ratnari", "Rituraj", "Rohitan"),
    *("Sahyati", "Samudri", "Sarayan", "Shravan", "Sindhva", "Suvarni", "Tamasri", "Tejomay", "Trikona", "Tungbha"),
    *("Udayana", "Ujjvani", "Vaibhor", "Vanmali", "Varunik", "Vidyoti", "Vindhra", "Virasat", "Yamunik", "Yashova"),
    *("Zarokha", "Zenobar", "Anandor", "Bhoomik"),
)

INDUSTRIES = {
    "Textiles": "TEX",
    "Chemicals": "CHM",
    "Cements": "CEM",
    "Steels": "STL",
    "Foods": "FDS",
    "Pharma": "PHR",
    "Motors": "MTR",
    "Papers": "PPR",
    "Power": "PWR",
    "Finance": "FIN",
    "Housing": "HSG",
    "Software": "SFT",
    "Ceramics": "CER",
    "Tyres": "TYR",
    "Paints": "PNT",
    "Sugars": "SGR",
    "Logistics": "LOG",
    "Shipping": "SHP",
    "Agro": "AGR",
    "Plastics": "PLS",
    "Jewels": "JWL",
    "Hotels": "HTL",
    "Media": "MDA",
    "Electricals": "ELE",
    "Forgings": "FRG",
}


@dataclass(frozen=True, slots=True)
class _Listing:
    """The exchanges of a company: its group on BSE, ticks in rupees; without `nse_tick` it is not on NSE."""

    bse_group: str
    bse_tick: float
    nse_tick: float | None = None


# Assigned in turn: five of eight companies are on both exchanges, three on BSE only.
LISTINGS = (
    _Listing("A", bse_tick=0.05, nse_tick=0.10),
    _Listing("X", bse_tick=0.01),
    _Listing("B", bse_tick=0.05, nse_tick=0.05),
    _Listing("B", bse_tick=0.05, nse_tick=0.01),
    _Listing("X", bse_tick=0.05),
    _Listing("A", bse_tick=0.05, nse_tick=0.05),
    _Listing("XT", bse_tick=0.01),
    _Listing("B", bse_tick=0.01, nse_tick=0.01),
)


def make_fictional_stocks() -> tuple[Stock, ...]:
    """Return all fictional companies, always in the same order."""
    companies = ((name, industry) for name in NAMES for industry in INDUSTRIES)
    return tuple(_stock(at, name, industry) for at, (name, industry) in enumerate(companies))


def _stock(at: int, name: str, industry: str) -> Stock:
    listing = LISTINGS[at % len(LISTINGS)]
    return Stock(
        symbol=f"{name.upper()}{INDUSTRIES[industry]}",
        nse_id=None if listing.nse_tick is None else FIRST_NSE_ID + at,
        nse_tick=listing.nse_tick or 0.0,
        bse_id=FIRST_BSE_ID + at,
        bse_group=listing.bse_group,
        bse_tick=listing.bse_tick,
        name=f"{name} {industry}",
        company=f"{name} {industry} LTD".upper(),
    )
