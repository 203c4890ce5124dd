"""What README and docs show is valid; tests/workflow/test_followed_pages.py follows them."""

import re
from typing import Any

import numpy as np
import openpyxl
import pytest
import yaml
from miniatures import write_image
from pages import NOT_FOLLOWED, NOT_RUN, PAGES, TOP, blocks, blocks_in, commands

from dpam.cli import COMMANDS
from dpam.experiments.configuration import validate


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist_and_pictures_are_there_and_small(page):
    shown = re.findall(r"(?m)(?:`|^|bin/)dpam ([a-z][a-z-]*)", (TOP / page).read_text())
    assert set(shown) <= set(COMMANDS)
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (TOP / page).read_text())
    for picture in pictures:
        assert 1000 < ((TOP / page).parent / picture).stat().st_size <= 150_000


@pytest.mark.parametrize("page", PAGES)
def test_configurations_are_valid(page):
    whole = yaml.safe_load((TOP / "config.yaml").read_text(encoding="utf-8"))
    for block in blocks_in("yaml", page):
        text = block.replace(", squares]", "]")  # the method that is added there
        schema = TOP / "workflow/schemas/config.schema.yaml"
        validate({**whole, **yaml.safe_load(text)}, schema)


def test_no_block_is_of_an_unknown_kind_and_no_entry_of_the_lists_is_idle():
    languages = {language for page in PAGES for language, _ in blocks(page)}
    assert languages <= {"", "bibtex", "pycon", "python", "sh", "yaml"}
    assert all(blocks_in("sh", page) for page in NOT_FOLLOWED)
    followed = [page for page in PAGES if page not in NOT_FOLLOWED]
    shown = {line for page in followed for text in blocks_in("sh", page) for line in commands(text)}
    assert set(NOT_RUN) <= shown
    slurm = (TOP / "tests/cluster/test_slurm.py").read_text(encoding="utf-8")
    assert '"--profile", "profiles/slurm"' in slurm


def test_the_superpixel_method_is_one():
    module: dict[str, Any] = {}
    exec(blocks_in("python", "docs/add_superpixel_method.md")[0], module)  # noqa: S102 - our own text
    label_map = module["squares"](np.zeros((50, 70, 3), np.uint8), 20)
    assert label_map.dtype == np.uint16
    assert np.unique(label_map).tolist() == list(range(12))
    assert (label_map[20:40, 40:60] == 6).all()


def test_the_dataset_in_one_file(tmp_path):
    module: dict[str, Any] = {}
    exec(blocks_in("python", "docs/add_dataset.md")[0], module)  # noqa: S102 - our own text
    book = openpyxl.Workbook()
    book.active.append(["photo", "vote"])
    book.active.append(["Beach.jpg", 4.5])
    book.save(tmp_path / "votes.xlsx")
    write_image(tmp_path / "Photos" / "beach.JPG")
    found = module["HOLIDAY"].read_labels(tmp_path)
    assert found["image"].tolist() == ["Photos/beach.JPG"]
    assert found["raw_label"].tolist() == [4.5]


def test_the_readme_is_short_and_links_of_all_pages_lead_somewhere():
    assert len((TOP / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
    for page in PAGES:
        text = re.sub(r"```.*?```", "", (TOP / page).read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#\s]*)(?:#[^)]*)?\)", text):
            if target and not target.startswith("http"):
                assert ((TOP / page).parent / target).exists(), f"{page}: {target}"
