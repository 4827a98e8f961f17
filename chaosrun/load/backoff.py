"""How long a client waits before it tries to connect again: explicit, seeded, the same in every run."""

from __future__ import annotations

from chaosrun.load.config import Backoff

_MASK = (1 << 64) - 1


def delay_ns(backoff: Backoff, client: int, attempt: int, tries: int) -> int:
    """The wait before a connection attempt.

    Args:
        client: the client's index in its group.
        attempt: waits since a session was last open: 0 for the first after a loss.
        tries: all attempts of this client so far, so that each wait of its life draws anew.

    `first * factor**attempt`, at most `max`; of that, `jitter` takes: full, a uniform share; equal, half and a uniform
    share of the other half; none, all. A pure function of its arguments.
    """
    # Beyond 64 doublings every backoff is at its maximum; without the cap a long outage would overflow a float.
    longest = min(backoff.max_ns, int(backoff.first_ns * backoff.factor ** min(attempt, 64)))
    if backoff.jitter == "none":
        return longest
    share = _uniform(backoff.seed, client, tries)
    if backoff.jitter == "equal":
        return longest // 2 + int(share * (longest - longest // 2))
    return int(share * longest)


def _uniform(*key: int) -> float:
    """A number in [0, 1) that depends on all of `key`: splitmix64 over them (Steele, Lea, Flood 2014)."""
    state = 0
    for part in key:
        state = (state ^ (part & _MASK)) + 0x9E3779B97F4A7C15 & _MASK
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return (state >> 11) / (1 << 53)
