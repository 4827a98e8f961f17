"""Makes the helpers of the neighbouring folders importable from the tests of this folder."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
for _folder in (HERE, *(HERE.parent / name for name in ("compare", "engine", "reports"))):
    sys.path.insert(0, str(_folder))
