"""One truth for versions: conda's file says what the constraints say."""

import ast
import re
import runpy
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).resolve().parent.parent
STAGES = sorted(path.stem for path in (TOP / "dpam/commands").glob("[a-z]*.py"))
# Modules of optional packages: photographs as HEIC, superpixels exactly as released.
OPTIONAL = {"pillow_heif", "pillow_jxl", "cv2"}


def test_the_conda_environment_is_rendered_from_the_constraints():
    render = runpy.run_path(str(TOP / "envs/render.py"))
    assert (TOP / "envs/dpam.yaml").read_text() == render["rendered"]()


def test_every_dependency_is_pinned():
    render = runpy.run_path(str(TOP / "envs/render.py"))
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    wanted = sum(project["optional-dependencies"].values(), project["dependencies"])
    wanted = [name for name in wanted if not name.startswith("dpam-iqa")]
    optional = ("pillow-heif", "pillow-jxl-plugin", "opencv-contrib-python-headless")
    assert [
        name
        for name in wanted
        if name not in optional and render["key"](name) not in render["pins"]()
    ] == []


@cache
def installed() -> dict[str, list[str]]:
    """Module to the installed packages that it comes from."""
    return dict(packages_distributions())


@cache
def imported_modules(path: Path) -> set[str]:
    """Full names of all modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def third_parties(module: str) -> set[str]:
    """Packages from outside that a module of dpam, and what it imports of dpam, import."""
    waiting, seen, outside = [module], set(), set()
    while waiting:
        name = waiting.pop()
        file = TOP / (name.replace(".", "/") + ".py")
        file = file if file.exists() else TOP / name.replace(".", "/") / "__init__.py"
        if name in seen or not file.exists():
            continue
        seen.add(name)
        for imported in imported_modules(file):
            if imported.startswith("dpam"):
                waiting += [imported, imported.rpartition(".")[0]]
            else:
                outside.add(imported.partition(".")[0])
    return outside - set(sys.stdlib_module_names)


@pytest.mark.parametrize("stage", STAGES)
def test_conda_s_environment_covers_every_import_of_the_stage(stage):
    key = runpy.run_path(str(TOP / "envs/render.py"))["key"]
    environment = yaml.safe_load((TOP / "envs/dpam.yaml").read_text())
    pinned = {key(line.partition("==")[0]) for line in environment["dependencies"][-1]["pip"]}
    distributions = installed()
    for module in third_parties(f"dpam.commands.{stage}") - OPTIONAL:
        names = {key(name) for name in distributions.get(module, [])}
        assert names & pinned, f"{module}, of {names or 'no installed package'}"


def test_conda_s_environment_is_of_the_form_that_conda_reads():
    environment = yaml.safe_load((TOP / "envs/dpam.yaml").read_text())
    assert set(environment) == {"channels", "dependencies"}
    *packages, pip = environment["dependencies"]
    assert packages == ["python=3.12", "pip"]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in pip["pip"])


def test_every_rule_that_runs_a_stage_names_the_environment():
    rules = (TOP / "workflow/rules").glob("*.smk")
    blocks = [block for path in rules for block in re.split(r"\n(?=\w)", path.read_text())]
    stages = [block for block in blocks if re.search(r'"(?:exec )?dpam [a-z-]+ ', block)]
    assert len(stages) >= 15
    assert [block for block in stages if "\n        ENVIRONMENT\n" not in block] == []


def test_the_image_is_built_of_what_is_there():
    lines = (TOP / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    assert words[0] == ["FROM", "python:3.12-slim"]  # conda's, too
    copied = [name for line in words if line[0] == "COPY" for name in line[1:-1]]
    assert [name for name in copied if not (TOP / name).exists()] == []
    ignored = (TOP / ".dockerignore").read_text().split()
    assert [name for name in copied if f"!{name}" not in ignored] == []
    extras = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (wanted,) = re.findall(r"/dpam\[([\w,]+)\]", "\n".join(lines))
    assert set(wanted.split(",")) <= set(extras)
    assert {line[0] for line in words} <= {"FROM", "RUN", "COPY", "ENTRYPOINT", "CMD"}
