"""The one exception for wrong input, and the one place where a wrong word gets the nearest right one."""

import difflib
from collections.abc import Collection


class UserError(Exception):
    """Wrong input, in one sentence: what was wrong, what was expected, what to do. Never shown with a traceback."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it: the sentence alone."""
        return [f"netpress: {self}"]


def known(word: str, words: Collection[str], what: str) -> str:
    """The word itself. Raises UserError unless it is one of `words`, naming the nearest one, or all where none is."""
    if word in words:
        return word
    near = nearest(word, words)
    hint = f"did you mean {near!r}?" if near else f"choose one of {', '.join(words)}."
    raise UserError(f"Unknown {what} {word!r}: {hint}")


def nearest(word: str, words: Collection[str]) -> str:
    """The word that was probably meant; "" where none is like it."""
    return next(iter(difflib.get_close_matches(str(word), words, n=1)), "")
