"""Makes `e2e_running` importable here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
