"""What is known of a dataset or a baseline stands in one place."""

import ast
from pathlib import Path

import dpam
from dpam.datasets import DATASETS
from dpam.evaluation.baselines import BASELINES

PACKAGE = Path(dpam.__file__).parent
# What makes the demonstration's datasets, what the authors' code does with the labels of one, and
# what was published on one.
OTHER = {
    "demo/make.py": {"demo_synthetic", "demo_authentic"},
    "commands/make_demo_data.py": {"demo_synthetic", "demo_authentic"},
    "evaluation/published/__init__.py": {"biq2021"},
    "inference/authors_checkpoint.py": {"live"},
}


def named(names: set[str]) -> dict[str, set[str]]:
    """File -> the names that its code says (not its comments and docstrings)."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        words = {
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        if said := words & names:
            found[path.relative_to(PACKAGE).as_posix()] = said
    return found


def test_no_code_but_its_own_names_a_dataset() -> None:
    found = named(set(DATASETS))
    elsewhere = {path: said for path, said in found.items() if not path.startswith("datasets/")}
    assert elsewhere == OTHER


def test_no_code_but_the_table_names_a_baseline() -> None:
    assert named(set(BASELINES)) == {"evaluation/baselines.py": set(BASELINES)}
