"""An old name of `cost`."""

from netpress.runs.cost import Spell, most_at_once, on_the_clock, spell_of, spent

__all__ = ["Spell", "most_at_once", "on_the_clock", "spell_of", "spent"]
