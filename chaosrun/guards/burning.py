"""When what burns has burnt through: throughout a time, or for a share of a long and of a short window.

Pure: a look comes in with its time. Times are run times in ns, and looks come in order.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class Through(NamedTuple):
    """It has burnt through."""

    since: int
    """The first moment of what burnt it through."""
    shares: tuple[float, float] | None = None
    """Of the long and of the short window, where shares were asked for."""


class Throughout:
    """Beyond its limit at every look for at least `for_ns`.

    A look that could not tell neither puts it out nor burns it through.
    """

    def __init__(self, for_ns: int) -> None:
        self._for_ns = for_ns
        self._since: int | None = None
        self.burnt = 0.0
        """How far, 0 to 1: at 1 its time is over."""

    def see(self, t: int, burning: bool | None, *, enough: bool = True) -> Through | None:
        """`burning`: None: nobody can tell; `enough`: what else is asked for is there."""
        if burning is False:
            self._since = None
            self.burnt = 0.0
        if not burning:
            return None
        if self._since is None:
            self._since = t
        through = t - self._since >= self._for_ns
        self.burnt = 1.0 if through else (t - self._since) / self._for_ns
        return Through(self._since) if enough and through else None


class ShareOfTime:
    """Beyond its limit for at least `share` of the long window and of the short one.

    The two windows are those of the multiwindow alerts of the SRE workbook (chapter 5): the long one keeps a short dip
    from ending a run, the short one keeps what is over by now from ending it. What burns at two looks one after the
    other has burnt between them. What nobody could tell, and what was before the first look, has not burnt.
    """

    def __init__(self, share: float, long_ns: int, short_ns: int) -> None:
        self._share = share
        self._long_ns = long_ns
        self._short_ns = short_ns
        self._burnt: deque[tuple[int, int]] = deque()
        self._burning_at: int | None = None
        self.burnt = 0.0
        """How far, 0 to 1: at 1 both windows have burnt for their share."""

    def see(self, t: int, burning: bool | None) -> Through | None:
        """`burning`: None: nobody can tell."""
        if burning and self._burning_at is not None:
            began = self._burning_at
            if self._burnt and self._burnt[-1][1] == began:
                began = self._burnt.pop()[0]
            self._burnt.append((began, t))
        self._burning_at = t if burning else None
        while self._burnt and self._burnt[0][1] <= t - self._long_ns:
            self._burnt.popleft()
        shares = self._of(t, self._long_ns), self._of(t, self._short_ns)
        self.burnt = min(1.0, min(shares) / self._share)
        if min(shares) < self._share:
            return None
        return Through(max(self._burnt[0][0], t - self._long_ns), shares)

    def _of(self, t: int, window_ns: int) -> float:
        begin = t - window_ns
        return sum(end - max(start, begin) for start, end in self._burnt if end > begin) / window_ns


class ShareOfRequests:
    """At least `share` of the requests of the long window and of the short one are bad.

    As long as a window is not whole, what it lacks counts as good requests that came at the same rate. A window without
    requests has none that are bad.
    """

    def __init__(self, share: float, long_ns: int, short_ns: int) -> None:
        self._share = share
        self._long_ns = long_ns
        self._short_ns = short_ns
        self._seen: deque[tuple[int, int, int]] = deque()
        self.burnt = 0.0
        """How far, 0 to 1: at 1 both windows have their share of bad ones."""

    def see(self, t: int, bad: int, due: int) -> Through | None:
        """`bad` of `due` requests since the run began. Looks that could not tell are left out."""
        self._seen.append((t, bad, due))
        while len(self._seen) > 1 and self._seen[1][0] <= t - self._long_ns:
            self._seen.popleft()
        shares = self._of(self._long_ns), self._of(self._short_ns)
        self.burnt = min(1.0, min(shares) / self._share)
        if min(shares) < self._share:
            return None
        return Through(self._first_bad(), shares)

    def _of(self, window_ns: int) -> float:
        """From the last look that is as old as the window, or older, or from the first one."""
        t, bad, due = self._seen[-1]
        before = [each for each in self._seen if each[0] <= t - window_ns]
        start, bad_then, due_then = before[-1] if before else self._seen[0]
        if due <= due_then:
            return 0.0
        known_ns = min(t - start, window_ns)
        return max(0, bad - bad_then) * known_ns / ((due - due_then) * window_ns)

    def _first_bad(self) -> int:
        """The last look before the first bad request of the long window was seen."""
        (start, first, _), *later = self._seen
        for t, bad, _ in later:
            if bad > first:
                break
            start = t
        return start


class Blindness:
    """Nothing could be read for `after_ns`, without a break."""

    def __init__(self, after_ns: int) -> None:
        self._after_ns = after_ns
        self._since: int | None = None

    def see(self, t: int, *, blind: bool) -> int | None:
        """Since when, once it has lasted."""
        if not blind:
            self._since = None
            return None
        if self._since is None:
            self._since = t
        return self._since if t - self._since >= self._after_ns else None
