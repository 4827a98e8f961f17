"""What the readers of JUnit's XML take."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

# What junit-10.xsd of Jenkins' xunit-plugin lets each element hold: attributes (required ones first), and children.
SHAPE = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id", "package"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "time", "classname", "group"}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "skipped": ({"message"}, set()),
    "system-out": (set(), set()),
}
REQUIRED = {"testsuite": {"name", "tests", "failures", "errors"}, "testcase": {"name"}, "property": {"name", "value"}}
SUREFIRE_TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]{0,3})?")


def out_of_shape(root: ET.Element) -> list[str]:
    """What in a document the schema has no place for."""
    found = []
    for element in root.iter():
        attributes, children = SHAPE[element.tag]
        if not REQUIRED.get(element.tag, set()) <= set(element.attrib) <= attributes:
            found.append(f"{element.tag} {sorted(element.attrib)}")
        found += [f"{child.tag} in {element.tag}" for child in element if child.tag not in children]
    for suite in (root, *root.iter("testsuite")):
        if not SUREFIRE_TIME.fullmatch(suite.attrib["time"]):
            found.append(f"time {suite.attrib['time']}")
    return found
