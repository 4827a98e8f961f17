"""chaosrun: a chaos-engineering scenario runner for WebSocket services."""

__version__ = "0.1.0"
