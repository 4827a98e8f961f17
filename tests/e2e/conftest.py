"""Makes `e2e_running` importable here, what says whether a picture and its result agree, and helpers of the load."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
for _folder in (HERE, HERE.parent / "charts", HERE.parent / "load"):
    sys.path.insert(0, str(_folder))
