"""`medagent pricing export`: our prices as Phoenix and MLflow take them; `make backends` gives them to both."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from command import medagent
from medagent.cli.backend_prices import MLFLOW_PROVIDERS, for_mlflow, for_phoenix
from medagent.pricing import PriceList, load_prices

PRICES = """
version: 1
realtime:
  gpt-realtime:
    text: {input: 4, cached: 0.4, output: 16}
    audio: {input: 32, cached: 0.5, output: 64}
    source: a test
    as_of: 2026-11-30
  half-known:
    text: {input: 4, output: 16}
    audio: {input: 32}
    source: a test
    as_of: 2026-11-30
  unknown:
    text: {}
    audio: {input: 32}
    source: a test
    as_of: 2026-11-30
llm: {gpt-4o.mini: {input: 0.15, cached: 0.075, output: 0.6, source: a test, as_of: 2026-11-30}}
stt:
  whisper-1: {per_second: 0.0001, source: a test, as_of: 2026-11-30}
  gpt-4o-transcribe: {input: 2.5, output: 10, source: a test, as_of: 2026-11-30}
tts: {sonic-2: {per_character: 0.00003, source: a test, as_of: 2026-11-30}}
line: {livekit_per_minute: 0.01}
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("prices") / "pricing.yaml"
    file.write_text(PRICES)
    return file


@pytest.fixture(scope="module")
def prices(path: Path) -> PriceList:
    return load_prices(path)


def sent(document: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in document["variables"].values()}


def costs(model: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(one["kind"], one["tokenType"]): one["costPerMillionTokens"] for one in model["costs"]}


def test_phoenix_gets_each_kind_of_token(prices: PriceList) -> None:
    """The types are those of our spans; a snapshot has its model's price, and no other name has it."""
    models = sent(for_phoenix(prices).document)
    assert costs(models["gpt-realtime"]) == {
        ("PROMPT", "input"): 4,
        ("PROMPT", "cache_read"): 0.4,
        ("PROMPT", "audio"): 32,
        ("PROMPT", "cache_read_audio"): 0.5,
        ("COMPLETION", "output"): 16,
        ("COMPLETION", "audio"): 64,
    }
    assert costs(models["gpt-4o.mini"]) == {
        ("PROMPT", "input"): 0.15,
        ("PROMPT", "cache_read"): 0.075,
        ("COMPLETION", "output"): 0.6,
    }
    pattern = models["gpt-4o.mini"]["namePattern"]
    named = ("gpt-4o.mini", "gpt-4o.mini-2026-01-31", "gpt-4o-mini", "gpt-4o.mini-tts", "a-gpt-4o.mini")
    assert [bool(re.search(pattern, name)) for name in named] == [True, True, False, False, False]


def test_what_a_backend_cannot_hold_is_named(prices: PriceList) -> None:
    """Seconds, characters, minutes, models without a price of text, and tokens that it counts as others."""
    assert for_phoenix(prices).left_out == (
        "half-known: cache_read (prompt) has no price, and Phoenix counts it as text",
        "half-known: cache_read_audio (prompt) has no price, and Phoenix counts it as text",
        "half-known: audio (completion) has no price, and Phoenix counts it as text",
        "unknown: no price of text input or output, and Phoenix needs both",
        "whisper-1: Phoenix prices no span of STT",
        "gpt-4o-transcribe: Phoenix prices no span of STT",
        "sonic-2: Phoenix has no price for a character",
        "LiveKit: Phoenix has no price for a minute",
    )
    assert "unknown" not in sent(for_phoenix(prices).document)
    assert for_mlflow(prices).left_out[-3:] == (
        "whisper-1: MLflow has no price for a second",
        "sonic-2: MLflow has no price for a character",
        "LiveKit: MLflow has no price for a minute",
    )


def test_phoenix_refuses_a_model_twice_so_ours_is_updated(prices: PriceList) -> None:
    """A model of ours that it has is updated by its id; a built-in one of the same name is not touched."""
    nodes = [
        {"id": "a", "name": "gpt-realtime", "kind": "CUSTOM"},
        {"id": "b", "name": "gpt-4o.mini", "kind": "BUILT_IN"},
    ]
    answer = {"data": {"generativeModels": {"edges": [{"node": node} for node in nodes]}}}
    document: Any = for_phoenix(prices, answer).document
    models = sent(document)
    assert (models["gpt-realtime"].get("id"), models["gpt-4o.mini"].get("id")) == ("a", None)
    assert document["query"].count("updateModel(") == 1
    assert document["query"].count("createModel(") == 2


def test_mlflow_gets_a_catalog(prices: PriceList) -> None:
    """Text, cached text and output a million tokens; audio beside it; transcription where it is billed by token."""
    document: Any = for_mlflow(prices).document
    models = document["models"]
    assert models["gpt-realtime"]["pricing"] == {
        "input_per_million_tokens": 4,
        "output_per_million_tokens": 16,
        "cache_read_per_million_tokens": 0.4,
        "modality": {
            "audio": {
                "input_per_million_tokens": 32,
                "output_per_million_tokens": 64,
                "cache_read_per_million_tokens": 0.5,
            }
        },
    }
    assert models["gpt-4o-transcribe"]["pricing"] == {
        "input_per_million_tokens": 2.5,
        "output_per_million_tokens": 10,
    }
    assert "whisper-1" not in models


@pytest.mark.timing
def test_the_command_prints_json_and_names_the_rest(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stdout is what the backend takes and nothing else; `--out` writes it; an answer that is none is an error."""
    monkeypatch.setenv("MEDAGENT_PRICING", str(path))
    done = medagent("pricing", "export", "phoenix", home=tmp_path)
    assert (done.code, len(sent(json.loads(done.out)))) == (0, 3)
    assert "sonic-2: Phoenix has no price for a character" in done.err
    catalog = tmp_path / "catalog"
    assert medagent("pricing", "export", "mlflow", "--out", str(catalog), home=tmp_path).out == ""
    assert sorted(file.stem for file in catalog.iterdir()) == sorted(MLFLOW_PROVIDERS)
    (tmp_path / "models.json").write_text('{"data": null}')
    done = medagent("pricing", "export", "phoenix", "--models", str(tmp_path / "models.json"), home=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "--models: cannot be read, expected Phoenix's answer as JSON" in done.err
