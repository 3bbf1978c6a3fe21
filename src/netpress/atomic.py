"""An old name of `files`."""

from netpress.errors import FULL, CannotWrite, explained
from netpress.files import set_aside, temporary_file, temporary_folder, write_atomic

__all__ = ["FULL", "CannotWrite", "explained", "set_aside", "temporary_file", "temporary_folder", "write_atomic"]
