"""What the tutorials show works as it stands."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dpam.cli import COMMANDS
from dpam.experiments.configuration import validate

DOCS = Path(__file__).resolve().parent.parent / "docs"
TUTORIALS = ("reproduce", "own_dataset", "score_a_folder", "add_superpixel_method")


def blocks(name: str, language: str) -> list[str]:
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("name", TUTORIALS)
def test_commands_exist_and_pictures_are_there_and_small(name: str) -> None:
    shown = {
        command
        for block in blocks(name, "sh")
        for command in re.findall(r"(?m)^dpam ([a-z-]+)", block)
    }
    assert shown <= set(COMMANDS)
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (DOCS / f"{name}.md").read_text())
    for picture in pictures:
        assert 1000 < (DOCS / picture).stat().st_size <= 150_000


@pytest.mark.parametrize("name", TUTORIALS)
def test_configurations_are_valid(name: str) -> None:
    top = DOCS.parent
    whole = yaml.safe_load((top / "config.yaml").read_text(encoding="utf-8"))
    schema = top / "workflow/schemas/config.schema.yaml"
    for block in blocks(name, "yaml"):
        text = block.replace(", squares]", "]")  # the method that is added there
        validate({**whole, **yaml.safe_load(text)}, schema)


def test_the_superpixel_method_is_one() -> None:
    module: dict[str, Any] = {}
    exec(blocks("add_superpixel_method", "python")[0], module)  # noqa: S102 - our own text
    label_map = module["squares"](np.zeros((50, 70, 3), np.uint8), 20)
    assert label_map.dtype == np.uint16
    assert np.unique(label_map).tolist() == list(range(12))
    assert (label_map[20:40, 40:60] == 6).all()
