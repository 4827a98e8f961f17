"""Lets the tests of this folder use the stories of tests/scoring."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "scoring"))
sys.path.insert(0, str(Path(__file__).parent))
