"""The one exception for wrong input."""


class UserError(Exception):
    """Wrong input, in one sentence: what was wrong, what was expected, what to do. Never shown with a traceback."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it: the sentence alone."""
        return [f"netpress: {self}"]
