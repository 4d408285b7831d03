"""What things cost. Amounts are cents, so that nothing is lost to rounding."""

PRICES = {"baguette": 130, "croissant": 120, "pain au chocolat": 140, "tarte au citron": 420}
DOZEN_DISCOUNT = 0.1


def total(order: dict[str, int]) -> int:
    """The price of an order; a dozen of a thing and more is cheaper."""
    return sum(round(PRICES[name] * count * (1 - DOZEN_DISCOUNT * (count >= 12))) for name, count in order.items())


def in_euros(cents: int) -> str:
    return f"€{cents // 100}.{cents % 100:02}"
