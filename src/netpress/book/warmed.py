"""What kernels are forked from: to import this module is to have at hand what chapters use.

The garbage collector leaves alone what is here by then, and comes more seldom: it would go over all of it again and
again in every kernel.
"""

import gc
from importlib import import_module

import pandas as pd
from matplotlib.figure import Figure as Canvas

from netpress.compat import quick_jsonschema, seldom_collect
from netpress.report.theme import Words, figure

IMPORTED = (
    "ipykernel.kernelapp", "IPython.core.interactiveshell", "matplotlib.pyplot", "matplotlib_inline.backend_inline",
    "torch", "netpress.book.page", "netpress.nets.vgg", "netpress.papers.triage", "netpress.papers.pyramid.tables",
    "netpress.papers.compressing", "netpress.report.claims", "netpress.report.figures",
    "scipy.stats",
)  # fmt: skip

quick_jsonschema()
for name in IMPORTED:
    import_module(name)


def paint(canvas: Canvas) -> None:
    """A figure with a title."""
    canvas.subplots().set_title("1")


_ = figure(paint, (200, 100), Words("alt", "caption"), pd.DataFrame()).svg  # fonts are looked for once
gc.collect()
gc.freeze()
seldom_collect()
