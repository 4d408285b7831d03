"""The moveable feasts of a year."""

from datetime import date, timedelta

FEASTS = {
    "Ash Wednesday": -46,
    "Good Friday": -2,
    "Easter": 0,
    "Ascension": 39,
    "Pentecost": 49,
    "Corpus Christi": 60,
}


def easter(year: int) -> date:
    """Easter Sunday of a Gregorian year, by the anonymous algorithm of 1876."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def feasts(year: int) -> dict[str, date]:
    sunday = easter(year)
    return {name: sunday + timedelta(days) for name, days in FEASTS.items()}
