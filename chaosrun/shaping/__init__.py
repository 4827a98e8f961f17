"""Delaying and losing packets of one port with the kernel's netem: what `tc` is told, where, and by whom it may be."""
