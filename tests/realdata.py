"""What several tests of data share."""

import hashlib
import os
from pathlib import Path

import numpy as np

REAL = Path(os.environ.get("NETPRESS_DATA") or Path(__file__).parents[2] / "shared" / "data")


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
