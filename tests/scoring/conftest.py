"""Lets the tests of this folder import the helper modules beside them."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# On a busy machine an example may take long: that is no property of the code.
settings.register_profile("scoring", deadline=None)
settings.load_profile("scoring")
