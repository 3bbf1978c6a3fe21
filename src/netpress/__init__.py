"""Three papers on making convolutional networks smaller, rerun."""

import time

__version__ = "0.1.0"

BEGAN = time.time()  # code that was changed later is not what this process runs
