"""Makes the modules of the oracles importable here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
