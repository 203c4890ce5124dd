"""What the README and docs/add_dataset.md show works as it stands."""

import re
from pathlib import Path
from typing import Any

import openpyxl
import yaml
from miniatures import write_image

from dpam.cli import COMMANDS
from dpam.experiments.configuration import validate

TOP = Path(__file__).resolve().parent.parent
README = (TOP / "README.md").read_text(encoding="utf-8")


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_configurations_are_valid():
    whole = yaml.safe_load((TOP / "config.yaml").read_text(encoding="utf-8"))
    for block in blocks("yaml"):
        validate({**whole, **yaml.safe_load(block)}, TOP / "workflow/schemas/config.schema.yaml")


def test_the_dataset_in_one_file(tmp_path):
    page = (TOP / "docs/add_dataset.md").read_text(encoding="utf-8")
    (block,) = blocks("python", page)
    module: dict[str, Any] = {}
    exec(block, module)  # noqa: S102 - our own README
    book = openpyxl.Workbook()
    book.active.append(["photo", "vote"])
    book.active.append(["Beach.jpg", 4.5])
    book.save(tmp_path / "votes.xlsx")
    write_image(tmp_path / "Photos" / "beach.JPG")
    found = module["HOLIDAY"].read_labels(tmp_path)
    assert found["image"].tolist() == ["Photos/beach.JPG"]
    assert found["raw_label"].tolist() == [4.5]


def test_commands_that_are_shown_exist():
    shown = set(re.findall(r"(?m)(?:`|^|bin/)dpam ([a-z][a-z-]*)", README))
    assert shown <= set(COMMANDS)
    assert {"datasets", "download", "predict"} <= shown


def test_it_is_short_and_its_links_and_those_of_the_pages_lead_somewhere():
    assert len(README.splitlines()) <= 150
    for page in [TOP / "README.md", TOP / "CONTRIBUTING.md", *(TOP / "docs").glob("*.md")]:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#\s]*)(?:#[^)]*)?\)", text):
            if target and not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
