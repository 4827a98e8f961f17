"""Makes the machine importable from the tests of this folder, and builds it once."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from linux_vm import Machine, machine
from vm_parts import CannotBeHad


@pytest.fixture(scope="session")
def vm() -> Machine:
    try:
        return machine()
    except CannotBeHad as error:
        pytest.skip(f"no virtual machine: {error}")
