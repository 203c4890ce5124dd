"""One truth for versions: conda's file says what the constraints say."""

import runpy
import tomllib
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent


def test_the_conda_environment_is_rendered_from_the_constraints():
    render = runpy.run_path(str(TOP / "envs/render.py"))
    assert (TOP / "envs/dpam.yaml").read_text() == render["rendered"]()


def test_every_dependency_is_pinned():
    render = runpy.run_path(str(TOP / "envs/render.py"))
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    assert [name for name in wanted if render["key"](name) not in render["pins"]()] == []
