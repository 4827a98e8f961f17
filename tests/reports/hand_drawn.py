"""Pictures as no run gave them: a crash at a third of the run, as large as charts may become, the same every time."""

from __future__ import annotations

from chaosrun.charts.picture import (
    Attempts,
    Band,
    Fall,
    FaultBand,
    GroupPicture,
    Heat,
    Loss,
    Losses,
    Mark,
    ObserverPicture,
    Picture,
    Rates,
    Ribbon,
    RolePicture,
    Waterfall,
)
from chaosrun.reports._base import ScoredRun
from chaosrun.scoring.result import Result

BINS, COLUMNS, ROWS, STEPS, SAMPLES = 600, 300, 40, 1200, 600


def drawn(result: Result, picture: Picture) -> ScoredRun:
    """A run that has these; unlike a real one it has neither a beginning nor evidence."""
    run = ScoredRun(began=None, evidence=None, result=result)  # type: ignore[arg-type]
    run.__dict__["picture"] = picture
    return run


def picture(*, clients: int = 300, seconds: float = 300.0, lines: int = 800, **changes: object) -> Picture:
    """A run of so many clients and seconds.

    Args:
        lines: of the waterfall at most.
        changes: what is else than usual, of the picture or of its group, by field.
    """
    fault, back = seconds / 3, seconds / 3 + seconds / 30
    of_group = {name: changes.pop(name) for name in list(changes) if name in GroupPicture.__struct_fields__}
    step = seconds / BINS
    group = {
        "name": "accounts",
        "kind": "websocket",
        "clients": clients,
        "ribbon": _ribbon(clients, seconds, fault, back),
        "heat": _heat(clients, seconds, fault, back),
        "waterfalls": [_waterfall(clients, lines, fault, back)],
        "attempts": Attempts(
            start=0.0,
            step=step,
            begun=[clients // 8 * (fault <= i * step < back) for i in range(BINS)],
            refused=[clients // 9 * (fault <= i * step < back) for i in range(BINS)],
            opened=[clients // 90 * (fault <= i * step < back) for i in range(BINS)],
        ),
        "losses": _losses(clients, step, fault, back),
        "rates": Rates(
            start=0.0,
            step=step,
            due=[float(clients)] * BINS,
            good=[0.0 if fault <= i * step < back else float(clients) for i in range(BINS)],
            pushes=[0.0 if fault <= i * step < back else clients * 5.0 for i in range(BINS)],
        ),
    }
    whole = {
        "end": seconds,
        "phases": [
            Band(name="ramp", start=0.0, end=seconds / 10),
            Band(name="baseline", start=seconds / 10, end=fault),
            Band(name="recovery", start=fault, end=seconds),
        ],
        "faults": [FaultBand(name="crash", kind="process_kill", role="server", call=fault, removed=back)],
        "marks": [
            Mark(kind="fault", t=fault, label="crash", episode=0),
            Mark(kind="impact", t=fault + 0.001, label="impact of crash", episode=0),
            Mark(kind="removed", t=back, label="end of crash", episode=0),
            Mark(kind="ready", t=back + seconds / 300, label="server ready", episode=0),
            Mark(kind="recovered", t=back + seconds / 60, label="recovered from crash", episode=0),
        ],
        "groups": [GroupPicture(**(group | of_group))],
        "roles": [_role(i, name, seconds, fault, back) for i, name in enumerate(("server", "terminal", "chaosrun"))],
        "observer": _observer(seconds),
    }
    return Picture(**(whole | changes))


def _ribbon(clients: int, seconds: float, fault: float, back: float) -> Ribbon:
    t = [i * seconds / STEPS for i in range(STEPS)]
    down = [clients if fault <= at < back else 0 for at in t]
    degraded = [clients // 10 if back <= at < back + seconds / 60 else 0 for at in t]
    usable = [clients - a - b for a, b in zip(down, degraded, strict=True)]
    return Ribbon(
        t=t,
        planned=[clients] * STEPS,
        usable=usable,
        degraded=degraded,
        down=down,
        usable_max=usable,
        lost_client_seconds=clients * (back - fault),
    )


def _heat(clients: int, seconds: float, fault: float, back: float) -> Heat:
    """Milliseconds as ever, but for a diagonal of long waits while nobody answers."""
    step = seconds / COLUMNS
    rows = [round(0.1 * 1.3**row, 4) for row in range(ROWS)]
    usual = [
        (column, 8 + (column + row) % 13, 1 + (column * row) % 40) for column in range(COLUMNS) for row in range(13)
    ]
    away = [column for column in range(COLUMNS) if fault <= column * step < back]
    waits = [(column, min(ROWS - 1, 38 - i // 2), clients) for i, column in enumerate(away)]
    quiet = [cell for cell in usual if cell[0] not in away]
    unanswered = [clients if column in away else 0 for column in range(COLUMNS)]
    return Heat(
        start=0.0,
        step=step,
        columns=COLUMNS,
        rows_ms=rows,
        corrected=[*quiet, *waits],
        uncorrected=quiet,
        due=[clients] * COLUMNS,
        censored=[0] * COLUMNS,
        unanswered=unanswered,
        left_out=[0] * COLUMNS,
        corrected_max_ms=[2000.0 if column in away else 12.5 for column in range(COLUMNS)],
        uncorrected_max_ms=[None if column in away else 12.5 for column in range(COLUMNS)],
        latency_limit_ms=500.0,
    )


def _waterfall(clients: int, lines: int, fault: float, back: float) -> Waterfall:
    shown = min(clients, lines)
    return Waterfall(
        episode=0,
        affected=clients,
        never=1,
        falls=[
            Fall(
                client=client,
                lost=fault + client % 7 / 1000,
                reconnecting=fault + 0.1 + client % 5 / 1000,
                connected=back + client / shown,
                usable=None if client == shown - 1 else back + client / shown + 0.00123,
                cause=("rst", "fin", "ping_timeout")[client % 3],
                attempts=3 + client % 4,
            )
            for client in range(shown)
        ],
    )


def _losses(clients: int, step: float, fault: float, back: float) -> Losses:
    away = [clients if fault <= i * step < back else 0 for i in range(BINS)]
    single = [int(i == BINS // 2) for i in range(BINS)]
    return Losses(
        start=0.0,
        step=step,
        classes=[
            Loss(name="skipped_disconnected", of="requests", counts=away),
            Loss(name="lost_connected", of="requests", counts=single),
            Loss(name="missed_disconnected", of="pushes", counts=[count * 5 for count in away]),
        ],
        sequence=[(i * 10 + 1, i * 10 + 10) for i in range(BINS)],
        channel="EURUSD",
        not_placed=0,
    )


def _role(place: int, name: str, seconds: float, fault: float, back: float) -> RolePicture:
    t = [round(i * seconds / SAMPLES, 3) for i in range(SAMPLES)]
    down = [name == "server" and fault <= at < back for at in t]
    return RolePicture(
        name=name,
        t=t,
        cpu_percent=[None if gone else 10.0 * place + sample // 60 for sample, gone in enumerate(down)],
        memory_bytes=[None if gone else 31_234_567 * place + sample * 1024 for sample, gone in enumerate(down)],
    )


def _observer(seconds: float) -> ObserverPicture:
    count = int(min(BINS, seconds))
    return ObserverPicture(
        t=[i * seconds / count for i in range(count)],
        lag_p99_ms=[1.25 + i % 3 for i in range(count)],
        lag_max_ms=[4.5 + i % 7 for i in range(count)],
        stolen_percent=[0.1] * count,
        lateness_max_ms=[3.75] * count,
        excluded=[],
    )
