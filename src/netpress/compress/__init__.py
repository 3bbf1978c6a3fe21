"""What is done to a network before it is trained: edits, each a frozen value with `apply(network, needs)`."""
