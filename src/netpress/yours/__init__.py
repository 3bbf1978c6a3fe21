"""Any network, any images: which of its blocks are spare after retraining, and the smaller network as files."""
