"""Makes `e2e_running` importable here, and what says whether a picture and its result agree."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
for _folder in (HERE, HERE.parent / "charts"):
    sys.path.insert(0, str(_folder))
