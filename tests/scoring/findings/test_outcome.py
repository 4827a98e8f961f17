from __future__ import annotations

from findings_of import crashed, of, probes
from storybook import Story, group, s, strike

PATIENT = group(clients=8, tolerate_sessions=0.25, tolerate_requests=0.2)


def test_a_service_that_never_recovered_is_told_with_what_the_prober_saw() -> None:
    told = of(crashed(s(1000)).history(), "never-recovered")
    assert told is not None
    assert told.title == "The service did not recover from fault"
    assert told.evidence == (
        "27 s observed after the fault; 0 of 8 affected clients came back; the prober never got a fresh handshake with "
        "its echo again"
    )
    assert told.action.startswith("See whether the process came up at all")
    assert of(crashed(s(20)).history(), "never-recovered") is None


def test_a_service_that_takes_in_newcomers_only_is_another_matter() -> None:
    story = crashed(s(1000))
    story.probes = probes((s(13), s(15)))
    told = of(story.history(), "never-recovered")
    assert told is not None
    assert "2 s after the fault" in told.evidence
    assert "none of its old clients" in told.action


def test_clients_that_never_came_back_are_named_with_what_they_tried() -> None:
    told = of(crashed(plan=PATIENT).crash(s(14), s(1000), [3]).history(), "clients-never-back")
    assert told is not None
    assert (told.severity, told.title) == ("critical", "1 client never came back though the service recovered")
    assert told.evidence.startswith("accounts-3 of 8 affected by fault, watched for 25 s after the recovery; 1 tried")
    assert of(crashed(plan=PATIENT).crash(s(14), s(20), [3]).history(), "clients-never-back") is None


def test_a_service_that_fell_back_is_told() -> None:
    again = crashed(s(14)).crash(s(19), s(20))
    again.probes = probes((s(13), s(14)), (s(19), s(20)))
    told = of(again.history(), "relapsed")
    assert told is not None
    assert told.title == "The service fell back 1 time before it recovered"
    assert of(crashed(s(20)).history(), "relapsed") is None


def test_a_fault_without_an_impact_is_told_with_what_could_hide() -> None:
    story = Story(group(clients=8), faults=[strike(s(13))])
    story.probes = probes()
    told = of(story.history(), "no-impact")
    assert told is not None
    assert (told.severity, told.title) == ("info", "No impact of fault was seen, none longer than 250 ms")
    assert of(crashed().history(), "no-impact") is None
