"""The fingerprint changes with the code that a stage reaches, and with nothing else."""

import ast
import json

import pytest

from dpam.cli import main
from dpam.experiments import fingerprint

USED = """
\"\"\"Used.\"\"\"

FILE = "page.j2"


def f():
    \"\"\"Do.\"\"\"
    return 1
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of four modules, of which `stage` reaches three."""
    folder = tmp_path / "dpam"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text('"""Top."""\n')
    (folder / "stage.py").write_text("from dpam.deep import used\n\n\ndef run():\n    used.f()\n")
    (folder / "deep/__init__.py").write_text("")
    (folder / "deep/used.py").write_text(USED)
    (folder / "unused.py").write_text("x = 1\n")
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    return folder


def now():
    return fingerprint.code_fingerprint("dpam.stage")


def test_what_is_reached(package):
    assert set(fingerprint.reachable("dpam.stage")) == {
        "dpam",
        "dpam.stage",
        "dpam.deep",
        "dpam.deep.used",
    }


def test_it_names_the_files(package):
    assert list(json.loads(now())) == [
        "dpam/__init__.py",
        "dpam/deep/__init__.py",
        "dpam/deep/used.py",
        "dpam/stage.py",
    ]


def test_what_a_newer_python_adds_to_the_syntax_leaves_it():
    tree = ast.parse("def f():\n    return 1\n")
    before = fingerprint.dump(tree)
    tree.body[0].type_params = []
    tree.body[0].new_field = None
    tree.body[0]._fields = (*tree.body[0]._fields, "type_params", "new_field")
    assert fingerprint.dump(tree) == before


def test_docstrings_comments_layout_and_unused_modules_leave_it(package):
    before = now()
    (package / "deep/used.py").write_text(
        '"""Changed."""\n# hi\nFILE = "page.j2"\ndef f():\n\n    return 1\n'
    )
    (package / "unused.py").write_text("x = 2\n")
    (package / "deep/other.j2").write_text("that no module names\n")
    assert now() == before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("deep/used.py", "def f():\n    return 2\n"),
        ("stage.py", "def run():\n    pass\n"),
        ("deep/page.j2", "a template\n"),
        ("__init__.py", "x = 1\n"),
    ],
)
def test_code_and_the_files_that_it_names_change_it(package, file, text):
    before = now()
    (package / file).write_text(text)
    assert now() != before


def test_metrics_are_out_of_reach_of_training_testing_and_packing():
    for stage in ("train", "test", "pack_superpixels"):
        assert "dpam.evaluation.metrics" not in fingerprint.reachable(f"dpam.commands.{stage}")
    assert "dpam.evaluation.metrics" in fingerprint.reachable("dpam.commands.evaluate")
    assert "dpam.model.network" in fingerprint.reachable("dpam.commands.train")
    assert "dpam.model.network" not in fingerprint.reachable("dpam.commands.pack_superpixels")


def test_what_was_edited_since_a_run_started_is_known_to_its_jobs(monkeypatch):
    monkeypatch.delenv(fingerprint.STARTED, raising=False)
    assert fingerprint.find_edits({"code": "1"}) == [], "no run"
    monkeypatch.setenv(fingerprint.STARTED, "")
    fingerprint.remember({"code": "1", "the configuration": "a"})
    assert fingerprint.find_edits({"code": "1", "the configuration": "a", "more": "x"}) == []
    assert fingerprint.find_edits({"code": "2", "the configuration": "a"}) == ["code"]


def test_a_stage_whose_code_was_edited_since_its_run_started_refuses(tmp_path, monkeypatch, capsys):
    file = tmp_path / "none.safetensors"
    file.touch()
    name = "dpam.commands.info"
    monkeypatch.setenv(fingerprint.STARTED, "")
    fingerprint.remember({name: fingerprint.code_fingerprint(name)})
    assert main(["info", str(file)]) == 1
    assert "none.safetensors" in capsys.readouterr().err
    fingerprint.remember({name: "as it was"})
    assert main(["info", str(file)]) == 1
    said = capsys.readouterr().err
    assert said == (
        "dpam info: the code was edited since snakemake was started; start it again, then it runs "
        "with the new code all that this concerns\n"
    )
    assert main(["inspect", str(file)]) == 1, "a command that no rule calls"
    assert "edited" not in capsys.readouterr().err
