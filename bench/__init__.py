"""Measurements beside a peer's (`make bench`); their short forms run in the tests, whose servers they use."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "tests"))
