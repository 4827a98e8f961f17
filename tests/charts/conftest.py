"""Makes the helpers of this folder, and those that build histories, importable from its tests."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
for _folder in (HERE, HERE.parent / "scoring"):
    sys.path.insert(0, str(_folder))
