"""The order of a run: start, ramp, warmup, baseline, fault, recovery, after, rollback, verify, drain; then the score.

The engine knows no kinds of fault, target or protocol. What it promises: nothing is injected into a system that was not
steady; every undo is on disk before its injection; whatever ends the run, the undos run, what was measured is kept, and
everything that was started is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from chaosrun.against import Against
from chaosrun.assembly import Assembly, beginning
from chaosrun.deadline import Deadline
from chaosrun.errors import ChaosrunError, Dirty, Unavailable, Unwritable, UsageError
from chaosrun.faults._base import Clients, Role
from chaosrun.guards.watch import GuardNow, Guards
from chaosrun.journal import Journal
from chaosrun.judge import baseline_holds
from chaosrun.live import LiveTolerance
from chaosrun.load.handle import WorkerLost
from chaosrun.load.live import FleetNow
from chaosrun.load.silence import Silence
from chaosrun.machine import Clocks, Observation
from chaosrun.method import Method, faults_of
from chaosrun.outcome import Draw, Outcome, draw_nothing, score
from chaosrun.plan import Plan
from chaosrun.recorded import ENGINE, read_run
from chaosrun.records import Ended, LoadStopped, Note, Phase, Resource, Stop, Unsteady
from chaosrun.rolewatch import RoleWatch
from chaosrun.runfolder import make_run_folder
from chaosrun.safety.guarded import Guarded
from chaosrun.safety.held import held_by
from chaosrun.safety.standing import StandingFaults
from chaosrun.scoring.pacing import stages_end, worth_seeing_until
from chaosrun.spec.loader import Loaded
from chaosrun.spec.masking import Mask
from chaosrun.stopping import Signals, Stopped, Stopping
from chaosrun.toxics import Link

_LOOK_NS = 200_000_000
_SETTLE_NS = 100_000_000


@dataclass(frozen=True)
class Options:
    """What the command line says beside the experiment."""

    profile: str | None = None
    """The profile that was loaded, for the record."""
    report_dir: Path = Path("reports")
    max_duration_ns: int | None = None
    """In place of the experiment's own; None: that one, or twice what is planned."""
    offset_ns: int = 0
    """The baseline lasts so much longer than planned, and the first fault falls so much later: runs of a series meet
    the grid of the requests at different phases."""
    clocks: Clocks = field(default_factory=Clocks)
    """What the machine's own time is read from."""
    draw: Draw = draw_nothing
    """Draws the reports of a run that has been scored."""
    against: Against | None = None
    """The earlier runs that this one is held against."""


class Watcher(Protocol):
    """Whoever draws the run while it goes on. Nothing it does may block."""

    def began(self, folder: Path, title: str, plan: Plan) -> None: ...

    def phase(self, name: str, planned_ns: int | None) -> None:
        """A phase begins; None: it ends when something has happened."""

    def fault(self, name: str, event: str, detail: str) -> None:
        """`event`: called, confirmed, unconfirmed, undone, failed."""

    def live(self, live: FleetNow, resources: Mapping[str, Resource]) -> None:
        """Some five times a second."""

    def guards(self, guards: Sequence[GuardNow], armed: bool) -> None:
        """As often, where the run has guards; not armed: they end nothing any more."""

    def note(self, text: str) -> None: ...


async def run(loaded: Loaded, options: Options, watcher: Watcher) -> Outcome:
    """Run one experiment, and score it.

    Raises:
        UsageError, Unavailable: found before any load; whatever was started has been ended again.
        NotNow, Dirty: another run holds the target, or has left something of it open; nothing was started.
        Unwritable: the run could not be kept; what was undone is in the message.
    """
    folder = make_run_folder(options.report_dir, loaded.experiment.title, datetime.now(UTC))
    with Signals().caught() as signals:
        return await run_in(folder, loaded, options, watcher, signals)


async def run_in(folder: Path, loaded: Loaded, options: Options, watcher: Watcher, signals: Signals) -> Outcome:
    """The same in a folder that is there, stopped by signals that are caught already.

    Raises:
        ChaosrunError: as `run`; where the parts of the run could not even be made, the folder is gone again.
    """
    try:
        engine = _Run(loaded, options, watcher, folder)
    except ChaosrunError:
        shutil.rmtree(folder, ignore_errors=True)  # nothing was started, so nothing is to be kept
        raise
    with signals.told_to(engine.stopping.ask_by_signal):
        await engine.execute()
        try:
            # Still under the signals' cover: who stops a run wants its result, not half of it.
            return await asyncio.to_thread(score, folder, options.draw)
        except UsageError as error:  # a folder of ours that holds no run: somebody took it away
            raise engine.unwritable(error) from error


class _Run:
    """One run, from its folder to its last line. It is the `World` that faults act on."""

    def __init__(self, loaded: Loaded, options: Options, watcher: Watcher, folder: Path) -> None:
        self._watcher = watcher
        self._mask = Mask(loaded.secrets)
        self._journal = Journal(folder, ENGINE, self._mask)
        began = beginning(
            loaded,
            folder,
            options.profile,
            offset_ns=options.offset_ns,
            against=options.against,
        )
        self._journal.append(began)
        self._plan = began.plan
        self._origin_ns = began.origin_ns
        self._offset_ns = began.offset_ns
        self._broken: ChaosrunError | None = None
        self._prober_missed = False
        self._rolled_back = False
        self._silence = Silence()
        self.stopping = Stopping(began.origin_ns, self._on_stop)
        self._roles = RoleWatch(
            self._journal,
            self.stopping,
            note=watcher.note,
            tail=lambda role: self._assembly.target.roles[role].tail(),
            spoils=lambda: bool(self._assembly.method) and not self._faults.any_called,
        )
        self._assembly = Assembly(loaded, began, folder, self._journal, self._roles)
        self._limit = Deadline(options.max_duration_ns or self._plan.max_duration_ns, self._plan.groups, self.stopping)
        self._observation = Observation(self._journal, self.now, self._assembly.role_pids(), options.clocks)
        self._faults = StandingFaults(self, self._journal, watcher.fault)
        self._guards = Guards(self._assembly.guards, self._plan.groups, cores=os.cpu_count() or 1)
        self._armed = True
        self._ramp_began = 0
        self._guarded = Guarded(folder, loaded.experiment.title, held_by(loaded.experiment))
        watcher.began(folder, loaded.experiment.title, self._plan)

    @property
    def roles(self) -> Mapping[str, Role]:
        return self._assembly.target.roles

    @property
    def clients(self) -> Clients:
        return self._assembly.fleet

    @property
    def url(self) -> str:
        return self._assembly.target.url

    @property
    def links(self) -> Mapping[str, Link]:
        return self._assembly.target.links

    @property
    def folder(self) -> Path:
        return self._assembly.folder

    def address(self, role: str | None) -> str:
        return self._assembly.address(role)

    def mask(self, text: str) -> str:
        return self._mask(text)

    def now(self) -> int:
        return self.stopping.now()

    async def execute(self) -> None:
        """Everything up to the last line of the journal.

        Raises:
            ChaosrunError: what had to be there was not, or the run could not be kept.
        """
        try:
            with self._limit.kept():
                await self._loaded_run()
        finally:
            await asyncio.shield(self._end())
        if self._broken is not None:
            raise self._with_undos(self._broken)

    def unwritable(self, error: Exception) -> ChaosrunError:
        """What was recorded is not there any more."""
        gone = Unwritable(
            f"{error}\nthe run's folder was taken away while it went on; run it again with another --report-dir"
        )
        return self._with_undos(gone)

    # ---- the phases -------------------------------------------------------------------------------------------------

    async def _loaded_run(self) -> None:
        self._phase("start", None)
        self._guarded.start(self._origin_ns, self._assembly.kinds, self._on_unguarded, hidden=self._assembly.hidden)
        try:
            await self.stopping.or_stop(self._assembly.start())
            await self.stopping.or_stop(self._guarded.ready())
            await self.stopping.or_stop(self._check())
        except Stopped:
            return
        if self._roles.dead_at_start is not None:
            raise Unavailable(self._roles.dead_at_start)
        self._roles.load_begins()
        async with self._watched():
            try:
                await self._phases()
            except Stopped:
                pass
            except ChaosrunError as error:
                self._fail(error)
            finally:
                await asyncio.shield(self._undo_all())
                await asyncio.shield(self._roll_back())
            await self._drain()

    async def _check(self) -> None:
        """What a fault cannot do here is known before there is any load."""
        for fault in faults_of((*self._assembly.method, *self._assembly.rollbacks)):
            await fault.check(self)

    async def _phases(self) -> None:
        timing = self._plan.phases_ns
        await self._ramp()
        await self._hold("warmup", timing["warmup"])
        await self._assembly.fleet.sentinels(self.now())
        baseline = timing["baseline"] + self._offset_ns
        await self._hold("baseline", baseline if self._assembly.method else self._with_stages(baseline))
        if self._assembly.method:
            if not await self._steady():
                return
            await self._method()
            await self._recovery(timing["recovery"])
            await self._hold("after", self._with_stages(timing["after"]))
            await asyncio.shield(self._roll_back())
        await self._hold("verify", timing["verify"])
        await self._ramp_down()

    async def _ramp(self) -> None:
        groups = self._plan.groups
        last_start = max(group.ramp_over_ns for group in groups)
        began = self._ramp_began = self.now()
        self._phase("ramp", last_start, at=began)
        await self._assembly.fleet.ramp(began)
        await self.stopping.sleep_until(began + last_start)
        give_up = self.now() + max(group.connect_within_ns for group in groups)
        while self.now() < give_up and not self._all_open():
            await self.stopping.sleep_until(self.now() + _LOOK_NS)

    def _with_stages(self, length_ns: int) -> int:
        """A phase before `verify`, long enough that the stages of the load are seen to where they send all away."""
        seen_until = self._ramp_began + max(map(worth_seeing_until, self._plan.groups))
        return max(length_ns, seen_until - self._plan.phases_ns["verify"] - self.now())

    async def _ramp_down(self) -> None:
        """What is left of the stages when all is judged."""
        left = self._ramp_began + max(map(stages_end, self._plan.groups)) - self.now()
        if left > 0:
            await self._hold("ramp_down", left)

    def _all_open(self) -> bool:
        """Clients without a session, which ask by HTTP, are waited for by nobody."""
        live = self._assembly.fleet.live.groups
        held = [now.counts for plan, now in zip(self._plan.groups, live, strict=False) if plan.kind == "websocket"]
        return bool(live) and all(count.open >= count.planned for count in held)

    async def _steady(self) -> bool:
        """Whether the baseline allows a fault: judged on what is on disk, by the functions that give the verdict."""
        until = self.now()
        # A slot that was due an instant ago has its row when the worker has come to it.
        await self.stopping.sleep_until(until + _SETTLE_NS)
        await self._assembly.flush()
        self._journal.sync()
        recording = await asyncio.to_thread(read_run, self._assembly.folder, until=until)
        baseline = await asyncio.to_thread(baseline_holds, recording.history)
        for reason in baseline.reasons:
            self._journal.append(Unsteady(t=self.now(), why=reason))
            self._watcher.note(f"not steady: {reason}")
        return baseline.steady

    async def _method(self) -> None:
        self._phase("fault", None)
        await self.stopping.or_stop(Method(self._faults, self.now, self._ramp_began).run(self._assembly.method))
        await asyncio.shield(self._undo_all())

    async def _undo_all(self) -> None:
        await self._faults.remove_all(alive=self.stopping.why is None)

    async def _roll_back(self) -> None:
        """Once, where a fault was let in, whatever became of it and of the run. A stop does not cut it short."""
        if self._rolled_back or not self._assembly.rollbacks or not self._faults.any_called:
            return
        self._rolled_back = True
        self._phase("rollback", None)
        await Method(self._faults, self.now, self._ramp_began).roll_back(self._assembly.rollbacks)

    async def _recovery(self, timeout_ns: int) -> None:
        """Until tolerance has held for `stable_for`, or to the time-out; which of the two, scoring finds out."""
        began = self.now()
        self._phase("recovery", None, at=began)
        tolerance = LiveTolerance(self._plan.groups, began)
        while self.now() - began < timeout_ns:
            tolerance.see(self._assembly.fleet.live)
            if tolerance.held_for(self.now()) >= self._plan.recovery.stable_for_ns:
                return
            await self.stopping.sleep_until(self.now() + _LOOK_NS)

    async def _drain(self) -> None:
        self._armed = False  # clients that take leave are not being served, as they should not be
        self._limit.met()
        self._phase("drain", None)
        fleet = self._assembly.fleet
        try:
            self._journal.append(LoadStopped(t=await fleet.stop()))
            await fleet.drain()
        except ChaosrunError as error:
            self._fail(error)

    async def _end(self) -> None:
        """End everything that was started, and the journal."""
        self._roles.run_ends()
        try:
            await self._assembly.close()
        finally:
            self._journal.append(Ended(t=self.now()))
            try:
                self._journal.sync()
                self._journal.close()
            except Unwritable as error:
                self._fail(error)
            finally:
                await self._dismiss()

    async def _dismiss(self) -> None:
        """The guardian has nothing more to guard: what was undone is known here, whether it could be written or not."""
        try:
            await self._guarded.end(clean=not self._faults.left and not self._roles.left)
        except Unwritable as error:
            self._fail(error)

    async def _hold(self, phase: str, length_ns: int) -> None:
        began = self.now()
        self._phase(phase, length_ns, at=began)
        await self.stopping.sleep_until(began + length_ns)

    def _phase(self, name: str, planned_ns: int | None, at: int | None = None) -> None:
        self._journal.append(Phase(t=self.now() if at is None else at, name=name))
        self._watcher.phase(name, planned_ns)

    def note(self, text: str) -> None:
        self._journal.append(Note(t=self.now(), text=text))
        self._watcher.note(text)

    # ---- what goes on beside the phases -----------------------------------------------------------------------------

    def _on_unguarded(self, why: str) -> None:
        self.stopping.ask(f"{why}, and no fault may stand without one")

    def _on_stop(self, stop: Stop) -> None:
        self._journal.append(stop)
        self._watcher.note(stop.why)

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        beside = (self._observation.go_on(), self._watch(), *(each.go_on() for each in self._guards.asking))
        tasks = [asyncio.create_task(each) for each in beside]
        for task in tasks:
            task.add_done_callback(self._on_watch_ended)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _on_watch_ended(self, task: asyncio.Task[None]) -> None:
        """A full disk, or a defect: the run must not go on unobserved."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error if isinstance(error, ChaosrunError) else ChaosrunError(f"a defect of chaosrun: {error!r}"))

    def _fail(self, error: ChaosrunError) -> None:
        """Something that the run needs broke. Where a worker was lost, or what a fault would hit is gone, what was
        measured until then can be scored; otherwise not."""
        if not isinstance(error, WorkerLost | Unavailable) and self._broken is None:
            self._broken = error
        # What follows the first line, such as the commands of processes that match, is for people only: it is not ours.
        told, _, details = str(error).partition("\n")
        is_news = self.stopping.why is None
        self.stopping.ask(told, trouble=True)
        if details and is_news:
            self._watcher.note(details)

    def _with_undos(self, error: ChaosrunError) -> ChaosrunError:
        """What ends a run without a result, and what became of its faults: no verdict will tell of them."""
        if self._faults.left:
            return Dirty(f"{error}\nnot as it was found, see to it by hand: {'; '.join(self._faults.left)}")
        return type(error)(f"{error}\nevery fault was undone") if self._faults.any_called else error

    async def _watch(self) -> None:
        """Follow the live load: draw it, hold it to the guards, and notice what ends the run early."""
        while True:
            live = self._assembly.fleet.live
            if live.groups:
                self._watcher.live(live, self._observation.latest)
            self._hold_to_guards(live)
            for silent in self._silence.look(self._assembly.fleet.heard):
                if silent.given_up:
                    self._assembly.fleet.give_up(silent.name)
                else:
                    self.note(f"{silent.name} has said nothing for a second; what it measures meanwhile will not count")
            self._assembly.note_clocks()
            trouble = self._assembly.fleet.trouble
            if trouble is not None:
                self._fail(trouble)
            if not self._assembly.prober_is_alive and not self._prober_missed:
                self._prober_missed = True
                self.note("the prober ended by itself; nothing that needs a second witness can be told of this run")
            await asyncio.sleep(_LOOK_NS / 1e9)

    def _hold_to_guards(self, live: FleetNow) -> None:
        """From the ramp on, until the load is taken away."""
        armed = self._armed and self.stopping.why is None
        ended = self._guards.see(self.now(), live, self._observation.latest) if armed else None
        if now := self._guards.now:
            self._watcher.guards(now, armed)
        if ended is not None:
            burnt, why = ended
            self._journal.append(burnt)
            self.stopping.ask(why)
