"""What the bridge counts about itself, and its Prometheus text."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Counters:
    """Counts since the bridge's start."""

    accepted: int = 0
    received: int = 0
    sent: int = 0
    pings: int = 0
    errors: int = 0
    refused: int = 0
    cut_off: int = 0
    ticks: dict[str, int] = field(default_factory=dict)

    def exposition(self, *, connections: int, feed_up: bool) -> str:
        """The Prometheus text format, version 0.0.4."""
        lines: list[str] = []

        def add(name: str, kind: str, meaning: str, *values: tuple[str, int]) -> None:
            lines.extend((f"# HELP mt5_bridge_{name} {meaning}", f"# TYPE mt5_bridge_{name} {kind}"))
            lines.extend(f"mt5_bridge_{name}{labels} {value}" for labels, value in values)

        add("connections", "gauge", "WebSocket connections now open.", ("", connections))
        add("feed_up", "gauge", "1 while the terminal is connected and speaking.", ("", int(feed_up)))
        add("connections_total", "counter", "WebSocket connections accepted.", ("", self.accepted))
        add("messages_received_total", "counter", "Messages that clients sent.", ("", self.received))
        add("messages_sent_total", "counter", "Messages sent to clients.", ("", self.sent))
        add("pings_total", "counter", "Pings answered.", ("", self.pings))
        add("errors_total", "counter", "Error replies.", ("", self.errors))
        add("auth_refused_total", "counter", "Accounts refused.", ("", self.refused))
        add("cut_off_total", "counter", "Clients cut off because they did not read.", ("", self.cut_off))
        ticks = [(f'{{symbol="{symbol}"}}', count) for symbol, count in self.ticks.items()]
        add("ticks_total", "counter", "Ticks received from the terminal.", *ticks)
        return "\n".join(lines) + "\n"
