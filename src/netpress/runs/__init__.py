"""What a run is, does and leaves."""
