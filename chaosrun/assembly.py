"""From an experiment to the parts of its run: target, load, prober, faults and guards, started and ended in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from msgspec import structs

import chaosrun
from chaosrun import method, registry
from chaosrun.against import Against
from chaosrun.effect import Probe, at_target
from chaosrun.errors import UsageError
from chaosrun.faults._base import Fault
from chaosrun.guards.made import make_guards
from chaosrun.identity import Identity, boot_id
from chaosrun.journal import Journal
from chaosrun.load.config import Backoff, GroupLoad
from chaosrun.load.fleet import Fleet
from chaosrun.load.places import place_of
from chaosrun.load.prober import ProberConfig
from chaosrun.load.probing import Probing
from chaosrun.machine import environment
from chaosrun.plan import GroupPlan
from chaosrun.preflight import refuse_elsewhere
from chaosrun.records import Began, NodeClock, Ready
from chaosrun.spec import model, units
from chaosrun.spec.accounts import read_accounts
from chaosrun.spec.client_rules import half_open
from chaosrun.spec.conditions import conditions_of
from chaosrun.spec.fleet import kind_of, ray_of
from chaosrun.spec.http import Polls
from chaosrun.spec.loader import Loaded
from chaosrun.spec.masking import Mask
from chaosrun.spec.method import in_stage_ns
from chaosrun.spec.model import reveal
from chaosrun.spec.plan import make_plan
from chaosrun.spec.replay import played
from chaosrun.spec.stages import At, StageAt
from chaosrun.targets.command import CommandRole
from chaosrun.targets.output import Output
from chaosrun.targets.proxying import choose
from chaosrun.undertest import RoleEvents, make_target, sign_of


def beginning(
    loaded: Loaded,
    folder: Path,
    profile: str | None,
    *,
    offset_ns: int = 0,
    against: Against | None = None,
) -> Began:
    """The first line of the run's journal: what is run, where, and by what."""
    origin_ns, wall_ns = time.monotonic_ns(), time.time_ns()
    where, plan = environment(), make_plan(loaded)
    proxy = loaded.experiment.target.proxy
    if proxy is not None:
        where["toxiproxy"] = choose(proxy.toxiproxy).kind
    conditions = conditions_of(loaded, plan, where)
    if (played := kind_of(loaded.experiment.fleet)) != "processes":
        where["fleet"] = played
    return Began(
        t=0,
        run=folder.name,
        chaosrun_version=chaosrun.__version__,
        title=loaded.experiment.title,
        tags=loaded.experiment.tags,
        profile=profile,
        experiment_sha256=loaded.sha256,
        fingerprint=conditions.fingerprint(),
        conditions=conditions,
        started_at=datetime.fromtimestamp(wall_ns / 1e9, UTC).isoformat(timespec="milliseconds"),
        origin_ns=origin_ns,
        wall_offset_ns=wall_ns,
        boot_id=boot_id(),
        plan=plan,
        offset_ns=offset_ns,
        environment=where,
        against=against,
    )


class Assembly:
    """All parts of one run.

    Raises, when made:
        UsageError: the experiment asks for what cannot be (a host that is not allowed, an unknown option).
    """

    def __init__(
        self,
        loaded: Loaded,
        began: Began,
        folder: Path,
        journal: Journal,
        events: RoleEvents,
    ) -> None:
        experiment = loaded.experiment
        self.folder = folder
        self._began = began
        self._journal = journal
        self._experiment = experiment
        self._secrets = loaded.secrets
        self.hidden = loaded.variables
        """Variables that secrets were read from."""
        self.guards = make_guards(experiment.stop_when)
        refuse_elsewhere(loaded)
        self.target = make_target(
            experiment.target,
            run=str(folder),
            folder=folder,
            events=events,
            mask=Mask(loaded.secrets),
            hidden=loaded.variables,
        )
        ids = iter([fault.id for fault in began.plan.faults])
        self.method = tuple(self._steps(experiment.method, ids))
        ids = iter([f"rollback-{number}" for number in range(1, 1 + len(experiment.rollbacks))])
        self.rollbacks = tuple(self._steps(experiment.rollbacks, ids))
        groups = experiment.steady_state.load
        self._rows = {
            name: read_accounts(group.accounts) if group.accounts is not None else () for name, group in groups.items()
        }
        for name, group in groups.items():
            _enough_accounts(name, group, len(self._rows[name]))
        self._fleet: Fleet | None = None
        self._probing: Probing | None = None

    @property
    def fleet(self) -> Fleet:
        """The load, once it was started."""
        assert self._fleet is not None
        return self._fleet

    def role_pids(self) -> dict[str, Callable[[], list[Identity]]]:
        """For the sampler of resources."""
        return {name: role.pids for name, role in self.target.roles.items()}

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of all the undos that there may be: of the faults, and of the links at somebody else's proxy server."""
        steps = (*self.method, *self.rollbacks)
        links = ("toxiproxy",) if self._experiment.target.proxy is not None else ()
        return (*(fault.kind for fault in method.faults_of(steps)), *links)

    def address(self, role: str | None) -> str:
        """Base URL of a role's switches; where it has none of its own, that of the target by HTTP."""
        admin = None if role is None else self._admin(role)
        if admin is not None:
            return admin.rstrip("/")
        return at_target(self.target.url, "http")

    def _admin(self, role: str) -> str | None:
        declared = self._experiment.target.roles.get(role)
        if declared is not None:
            return declared.admin
        part = self.target.roles.get(role)
        return part.admin if isinstance(part, CommandRole) else None

    async def start(self) -> None:
        """Start what is ours and find what is not, then make load and prober ready.

        Raises:
            Unavailable: something is not there, or did not get ready; `close` ends what was started.
        """
        for role, took_ns in (await self.target.start()).items():
            now = time.monotonic_ns() - self._began.origin_ns
            self._journal.append(Ready(t=now, role=role, took_ns=took_ns))
        proxied = self.target.proxied()
        if proxied is not None:
            self._journal.append(structs.replace(proxied, t=time.monotonic_ns() - self._began.origin_ns))
        groups = self._experiment.steady_state.load
        loads = [self._group_load(index, plan, groups[plan.name]) for index, plan in enumerate(self._began.plan.groups)]
        self._fleet = Fleet(
            loads,
            run_dir=self.folder,
            origin_ns=self._began.origin_ns,
            wall_offset_ns=self._began.wall_offset_ns,
            place=place_of(
                kind_of(self._experiment.fleet),
                ray_of(self._experiment.fleet),
                run_dir=self.folder,
                origin_ns=self._began.origin_ns,
                most=max(load.plan.clients for load in loads),
                hidden=self.hidden,
            ),
            workers=max(group.workers for group in groups.values()),
            secrets=self._secrets,
        )
        self._probing = Probing(self._prober_config(loads), self.hidden)
        await self._fleet.start()
        self.note_clocks()
        await self._probing.start()

    @property
    def prober_is_alive(self) -> bool:
        return self._probing is not None and self._probing.is_alive

    async def flush(self) -> None:
        """All that load and prober have seen so far is on disk."""
        assert self._probing is not None
        await self.fleet.flush()
        await self._probing.flush()

    async def close(self) -> None:
        """End all that was started, the load first, and take in what the target's own log says it published."""
        try:
            if self._fleet is not None:
                await self._fleet.close()
                self.note_clocks()
            if self._probing is not None:
                await self._probing.close()
        finally:
            await self.target.stop()
        published = await asyncio.to_thread(lambda: list(self.target.published(self._began.origin_ns)))
        for record in published:
            self._journal.append(record)

    def note_clocks(self) -> None:
        """What was read of the clocks of other machines, so that the record says how well its times go together."""
        assert self._fleet is not None
        for writer, node, read in self._fleet.clocks_read():
            self._journal.append(
                NodeClock(
                    t=read.t,
                    worker=writer,
                    node=node,
                    offset_ns=read.offset_ns,
                    bound_ns=read.bound_ns,
                    exchanges=read.exchanges,
                )
            )

    def _steps(self, steps: Sequence[model.Step], ids: Iterator[str]) -> Iterator[method.Step]:
        """The steps as they are taken, numbered in the order in which the plan has them."""
        for step in steps:
            if isinstance(step, model.PauseStep):
                yield method.Pause(step.pause)
            elif isinstance(step, model.ParallelStep):
                yield method.Parallel(tuple(self._steps(step.parallel, ids)), at=self._at(step.at))
            else:
                times, every_ns = step.repeats()
                yield method.Inject(
                    cast(Fault, registry.load("faults", step.fault).make(step)),
                    next(ids),
                    at=self._at(step.at),
                    for_ns=step.for_,
                    planned_ns=step.lasts_ns(),
                    times=times,
                    every_ns=every_ns,
                    probe=self._probe(step),
                )

    def _at(self, at: At | None) -> method.At:
        if isinstance(at, StageAt):
            return method.At(in_stage_ns(at, self._experiment) or 0, of_load=True)
        return method.At(at or 0)

    def _probe(self, step: model.FaultStep) -> Probe | None:
        if step.probe is None:
            return None
        sign = sign_of(step.probe)
        assert sign is not None
        output = self._output(step) if step.probe.log is not None else None
        return Probe(sign, step.probe.expect, base=lambda: self.target.url, output=output)

    def _output(self, step: model.FaultStep) -> Callable[[], Output]:
        """Of the role that the fault acts on, where the run has it; the loader refuses others."""
        role = self.target.roles[str(step.target_role())]
        assert isinstance(role, CommandRole)
        return lambda: role.output

    def _group_load(self, index: int, plan: GroupPlan, group: model.Group) -> GroupLoad:
        back = group.reconnect
        return GroupLoad(
            index=index,
            plan=plan,
            url=self.target.url,
            via=self.target.via,
            protocol=_spoken(group),
            http=Polls(http=group.http).wire() if group.http is not None else None,
            reconnect=Backoff(
                first_ns=back.first, max_ns=back.max, factor=back.factor, jitter=back.jitter, seed=back.seed
            ),
            half_open=half_open(self._experiment, plan.name),
            heartbeat_every_s=group.heartbeat.every / 1e9 if group.heartbeat else None,
            heartbeat_timeout_s=group.heartbeat.timeout / 1e9 if group.heartbeat else 10.0,
            channels=group.channels.list if group.channels else (),
            channels_per_client=group.channels.per_client if group.channels else None,
            accounts=self._rows[plan.name],
            headers=_in_clear(group.headers),
            cookies=None if group.cookies is None else _in_clear(group.cookies),
            tls=None if group.tls is None else group.tls.files(),
            http_proxy=None if group.http_proxy is None else reveal(group.http_proxy),
            source_addresses=group.sources(),
            read_every_ns=None if group.read is None else units.period_ns(group.read),
            transport=group.transport,
            open_timeout_s=group.open_timeout / 1e9,
            max_size=group.max_message,
        )

    def _prober_config(self, loads: Sequence[GroupLoad]) -> ProberConfig:
        """The prober speaks as the first group does, from an account that no client of it plays if there is one.

        Before pollers come those that hold connections; of what pollers ask it asks the first thing that changes
        nothing.
        """
        groups = self._experiment.steady_state.load
        harmless = {name: [each for each in group.http or () if each.is_safe][:1] for name, group in groups.items()}
        speaking = [load for load in loads if load.http is None] or [load for load in loads if harmless[load.plan.name]]
        load = speaking[0]
        somebody = load.identity(load.plan.clients)
        own = self.target.prober_account
        prober = self._experiment.target.prober
        return ProberConfig(
            run_dir=str(self.folder),
            origin_ns=self._began.origin_ns,
            wall_offset_ns=self._began.wall_offset_ns,
            url=load.url,
            via=load.via,
            protocol=load.protocol,
            http=Polls(http=tuple(harmless[load.plan.name])).wire() if load.http is not None else None,
            account={"account": own} if own is not None else dict(somebody.account),
            channels=somebody.channels,
            headers=load.headers,
            cookies=load.cookies,
            tls=load.tls,
            http_proxy=load.http_proxy,
            max_size=load.max_size,
            every_ns=prober.every,
            connect_every_ns=prober.connect_every,
        )


def _spoken(group: model.Group) -> str:
    """A protocol as the load takes it; empty: none."""
    if group.protocol is None or isinstance(group.protocol, str):
        return group.protocol or ""
    return played(group.protocol).wire()


def _in_clear(texts: Mapping[str, str | model.Secret]) -> dict[str, str]:
    return {key: reveal(text) for key, text in texts.items()}


def _enough_accounts(name: str, group: model.Group, rows: int) -> None:
    accounts = group.accounts
    if accounts is not None and accounts.exhausted == "fail" and rows < group.clients:
        raise UsageError(
            f"group {name}: {accounts.csv} has {rows} accounts for {group.clients} clients; add rows, lower `clients`, "
            "or say `exhausted: cycle`"
        )
