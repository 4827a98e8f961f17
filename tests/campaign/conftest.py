"""Makes the campaign importable here, and the virtual machine that one of its faults needs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
