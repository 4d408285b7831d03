"""Lengths and temperatures, converted through one base unit each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    name: str
    dimension: str
    factor: float
    offset: float = 0.0


UNITS = {
    unit.name: unit
    for unit in (
        Unit("metre", "length", 1.0),
        Unit("kilometre", "length", 1000.0),
        Unit("inch", "length", 0.0254),
        Unit("foot", "length", 0.3048),
        Unit("mile", "length", 1609.344),
        Unit("kelvin", "temperature", 1.0),
        Unit("celsius", "temperature", 1.0, 273.15),
        Unit("fahrenheit", "temperature", 5 / 9, 459.67 * 5 / 9),
    )
}


class ConversionError(ValueError):
    """The question makes no sense; the message is fit for the person who asked."""


def convert(value: float, source: str, target: str) -> float:
    try:
        here, there = UNITS[source], UNITS[target]
    except KeyError as unknown:
        raise ConversionError(f"There is no unit called {unknown}.") from None
    if here.dimension != there.dimension:
        raise ConversionError(f"A {here.dimension} cannot be given in {target}.")
    return (value * here.factor + here.offset - there.offset) / there.factor
