"""An old name of `cost`."""

from netpress.runs.cost import Spell, on_the_clock, spell_of, spent

__all__ = ["Spell", "on_the_clock", "spell_of", "spent"]
