"""Projects with tests or experiments of their own: the tests here run them as their teams would."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

collect_ignore = ["pytest_project", "chaostoolkit_project"]
