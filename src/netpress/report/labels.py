"""Which part of a claim's test a number belongs to: rules and JSON print its text, the book puts its facts in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """The name of a part of a test.

    `text`: as rules and JSON have it. What the book tells of it: `places`, values of factors or words that say where;
    `pair`, the two values of which the first less the second was judged; `against`, what it was compared with.
    """

    text: str = ""
    places: tuple[str, ...] = ()
    pair: tuple[str, ...] = ()
    against: str = ""

    def __str__(self) -> str:
        return self.text

    def within(self, other: Label) -> Label:
        """The same part of the test that has another label: "svgg5, against FitNet"."""
        return Label(
            ", ".join(filter(None, (self.text, other.text))), self.places + other.places, self.pair or other.pair,
            other.against or self.against,
        )  # fmt: skip


WHOLE = Label()  # of a test that has one part


def at(*places: str) -> Label:
    """A part that is told by where it is: "cifar10, block3"."""
    return Label(", ".join(places), places)


def against(other: str, how: str = "against") -> Label:
    """A part that is told by what it is compared with: "faster than random frozen"."""
    return Label(f"{how} {other}", against=other)


def less(a: str, b: str) -> Label:
    """The difference of two values: "block1 less block5"."""
    return Label(f"{a} less {b}", pair=(a, b))
