from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from medagent.simulator.voice import voice


def scenario_document(name: str, *turns: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """A scenario as YAML has it, around its turns."""
    return {
        "name": name,
        "description": "made by a test",
        "seed": 5,
        "person": {"patient_name": "Maren Oldfield", "phone": "+14155550137", "dob": "1982-03-03"},
        "latency": {"think_ms": {"median": 100}, "tool_call_ms": {"median": 100}},
        "turns": list(turns),
        "expects": {"outcome": "informed"},
        **settings,
    }


def written(directory: Path, *documents: dict[str, Any]) -> list[Path]:
    """The files of scenarios."""
    paths = [directory / f"{document['name']}.yaml" for document in documents]
    for path, document in zip(paths, documents, strict=True):
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return paths


def speech(seconds: float = 0.5) -> bytes:
    """An utterance and the silence that ends it."""
    return voice(seconds, pitch_hz=130) + bytes(round(0.6 * 24_000) * 2)


def line(says: str = "Yes?", **manners: Any) -> dict[str, Any]:
    """A caller's line that takes half a second."""
    return {"says": says, "seconds": 0.5, **manners}


def says(words: str, **more: Any) -> dict[str, Any]:
    """A step in which the model speaks, for half a second unless told otherwise."""
    return {"says": words, "seconds": 0.5, **more}
