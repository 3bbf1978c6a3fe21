"""Words as people type them on the command line: lists, numbers, names of files."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from netpress.errors import UserError

Value = TypeVar("Value")


def parts(given: Iterable[str] | None, option: str) -> tuple[str, ...]:
    """The words of an option that takes a list, each once: between commas, between spaces, or the option repeated.

    An option that was not given (None) has no words. Raises UserError for one that was given without any.
    """
    if given is None or not (texts := list(given)):
        return ()
    found = tuple(dict.fromkeys(word for text in texts for word in text.replace(",", " ").split()))
    if not found:
        raise UserError(f"{option} names nothing: give it words between commas, or leave it out.")
    return found


def numbers(given: Iterable[str] | None, option: str) -> tuple[int, ...]:
    """The whole numbers from 0 of an option that takes a list. Raises UserError for anything else."""
    words = parts(given, option)
    try:
        found = tuple(dict.fromkeys(int(word) for word in words))
    except ValueError:
        text = ",".join(words)[:60]
        raise UserError(f"{option} {text!r} is no list of numbers: write for example {option} 0,1.") from None
    for number in found:
        if not 0 <= number < 10**6:
            raise UserError(f"{option} {number}: a whole number from 0 to 999999 is expected.")
    return found


def once(pairs: Iterable[tuple[str, Value]], what: str) -> dict[str, Value]:
    """Name -> value. Raises UserError for a name with two values; `what`: what the names are, as "setting"."""
    found: dict[str, Value] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise UserError(f"The {what} {name} has two values: name it once.")
    return found


def place(given: str | Path) -> Path:
    """A file or folder that the user names. Raises UserError for an empty name and for an unknown user's home."""
    text = str(given)  # a default comes as a path
    if not text.strip() or "\0" in text:
        raise UserError(f"{text!r} names no file or folder: give one, or leave the option out.")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UserError(f"{text!r} names no file or folder ({error}): give another.") from None
