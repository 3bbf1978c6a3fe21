"""Three papers on making convolutional networks smaller, rerun."""

import importlib
import time
from typing import Any

__version__ = "0.1.0"

BEGAN = time.time()  # code that was changed later is not what this process runs


def __getattr__(name: str) -> Any:
    """`netpress.shrink`, imported when it is asked for: it needs torch."""
    if name != "shrink":
        raise AttributeError(f"module 'netpress' has no attribute {name!r}")
    return importlib.import_module("netpress.yours.shrink").shrink
