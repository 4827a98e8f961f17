"""What a reader should know first, in words: what was found, how it is known, and what to do about it.

Every rule is a small function over the evidence in one of the files beside this one (docs/findings.md lists them all).
A rule is silent where its evidence is missing or the observer was not sound for it; it blames the service neither for
the fault itself nor for what the experiment's own settings make of it.
"""

from __future__ import annotations

from typing import Final

from chaosrun.scoring.evidence import Evidence
from chaosrun.scoring.findings import asking, connecting, feeds, load, noticing, observer, outcome, resources, returning
from chaosrun.scoring.findings._rule import SEVERITIES, Rule, Seen
from chaosrun.scoring.result import Finding
from chaosrun.scoring.score import Judgement

__all__ = ["MOST", "RULES", "find"]

MOST: Final = 8
"""More than a reader can act on at once is as good as none."""

RULES: Final[tuple[Rule, ...]] = (
    *observer.RULES,
    *outcome.RULES,
    *load.RULES,
    *asking.RULES,
    *feeds.RULES,
    *connecting.RULES,
    *returning.RULES,
    *noticing.RULES,
    *resources.RULES,
)
"""In the order in which findings of one severity are told."""


def find(evidence: Evidence, judgement: Judgement) -> list[Finding]:
    """The findings, the gravest first, at most `MOST`. What an unsound observer counted or timed accuses nobody."""
    seen = Seen(evidence, judgement)
    doubted = seen.doubted
    found = {rule.id: list(rule.look(seen)) for rule in RULES if doubted.isdisjoint(rule.needs)}
    said = frozenset(name for name, told in found.items() if told)
    findings = [
        Finding(rule=rule.id, severity=told.severity, title=told.title, evidence=told.evidence, action=told.action)
        for rule in RULES
        if rule.less_than.isdisjoint(said)
        for told in found.get(rule.id, ())
    ]
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))[:MOST]
