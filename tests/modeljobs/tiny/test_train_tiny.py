from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from modeljobs.tiny.exam import Report, ReviewScore
from modeljobs.tiny.model import TinyModel

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def script() -> Any:
    return load_script()


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_tiny", ROOT / "scripts" / "train_tiny.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by its name.
    sys.modules["train_tiny"] = module
    spec.loader.exec_module(module)
    return module


def quiet(_: str) -> None:
    """Nothing is logged."""


@pytest.mark.models
def test_a_few_steps_give_a_checkpoint_and_a_card(script: Any, tmp_path: Path) -> None:
    taken = script.train(script.SMOKE, tmp_path, log=quiet)
    assert taken["steps"] == 4
    assert TinyModel(tmp_path).shape.width == 16
    report = Report(
        solutions=8,
        reviews={"code": ReviewScore(0.5, 0.75, 8)},
        problems=8,
        solved=0.25,
        equations_right=0.5,
        refined=0.125,
    )
    script.write_card(tmp_path, "smoke", script.SMOKE, taken, report)
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert "| code | 60.0 | 50.0 | 75.0 |" in card
    assert TinyModel(tmp_path).revision in card


@pytest.mark.models
def test_the_same_recipe_gives_the_same_weights(script: Any, tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        script.train(script.SMOKE, tmp_path / name, log=quiet)
        made.append((tmp_path / name / "model.safetensors").read_bytes())
    assert made[0] == made[1]


def test_rates_rise_stay_and_fall(script: Any) -> None:
    stage = script.Stage(steps=100, muon_rate=1, adam_rate=1, warm_up=10, decay_from=0.5, seed=1)
    rates = [script.get_rate(step, stage) for step in (0, 9, 49, 75, 99)]
    assert rates == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.02])


def test_a_stage_without_a_fall_keeps_its_rate(script: Any) -> None:
    stage = script.Stage(steps=100, muon_rate=1, adam_rate=1, warm_up=10, decay_from=1.0, seed=1)
    assert script.get_rate(99, stage) == 1.0
