"""What makes the shipped lists and the model; nothing of the package needs it at run time."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
OUT = HERE.parent / "src" / "medagent" / "redaction" / "text" / "data"
