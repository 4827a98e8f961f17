"""Lets the tests of this folder import the helper modules beside them, and those of the engine's."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
for _folder in (HERE, HERE.parent / "engine"):
    sys.path.insert(0, str(_folder))
