"""The protocols in experiments/protocols are understood by the services that they are for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from mt5_programs import Launch
from talking import Served, converse

from chaosrun.protocols.yaml import YamlProtocol
from chaosrun.spec.loader import load_steady_state
from chaosrun.spec.model import Protocol

FOLDER = Path(__file__).parents[2] / "experiments" / "protocols"

SPOKEN: dict[str, tuple[str, tuple[object, ...], tuple[str, ...]]] = {
    "stock-market": ("stock_tracker", ("--throttle-ms", 20), ("market",)),
    "stock-foreign": ("stock_tracker", ("--throttle-ms", 20), ("foreign",)),
    "stock-alerts": ("stock_tracker", ("--throttle-ms", 20, "--rate", 500), ("alerts",)),
    "agents": ("agents", ("--rate", 50), ("agents", "metrics")),
    "strategy-ticks": ("strategy_stream", (), ("NQ",)),
    "strategy-progress": ("strategy_stream", (), ("bt-1",)),
    "strategy-metrics": ("strategy_stream", (), ("system",)),
}
"""By file: the service, its options, and a client's channels."""
SCRIPTED = {"agents-user"}
"""Whose clients follow a script: tests/e2e/test_shipped.py has them do so, in the experiments agents-*."""


def protocol(name: str, channels: tuple[str, ...], directory: Path) -> YamlProtocol:
    """As an experiment loads it."""
    state = directory / "state.yaml"
    dealt = f"{{list: [{', '.join(channels)}], per_client: {len(channels)}}}"
    state.write_text(f"load: {{users: {{clients: 1, protocol: '{FOLDER / name}.yaml', channels: {dealt}}}}}\n")
    model = load_steady_state(state).load["users"].protocol
    assert isinstance(model, Protocol)
    return YamlProtocol(model)


def test_every_file_is_spoken_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == SPOKEN.keys() | SCRIPTED


@pytest.mark.parametrize("name", SPOKEN)
def test_a_client_by_the_file_hears_what_the_service_published_and_nothing_that_it_does_not_know(
    launch: Launch, tmp_path: Path, name: str
) -> None:
    module, options, channels = SPOKEN[name]
    served = Served(launch, module, tmp_path, *options)
    spoken = protocol(name, channels, tmp_path)
    heard = asyncio.run(converse(f"ws://127.0.0.1:{served.port}", spoken, channels, pushes=3))
    assert not heard.wrong
    assert heard.replies == [(token, True) for token in range(1, 1 + len(spoken.requests))]
    assert [channel for channel, _, _ in heard.subscriptions] == list(channels)
    assert all(sent_at is not None for sent_at in heard.sent_at)
    for channel, head, epoch in heard.subscriptions:
        assert head is not None
        assert epoch is not None
        received = [seq for its, seq, of in heard.pushes if (its, of) == (channel, epoch)]
        assert received == list(range(head + 1, head + 1 + len(received)))
        ((end, last),) = [(of, seq) for its, seq, of in heard.heads if its == channel]
        assert (end, last) in {(of, seq) for its, seq, of in heard.pushes if its == channel} | {(epoch, head)}
        assert set(received) <= set(served.published(channel, epoch))
