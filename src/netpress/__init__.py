"""Three papers on making convolutional networks smaller, rerun."""

__version__ = "0.1.0"
