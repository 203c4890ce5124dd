"""A fingerprint of the code that a stage can reach.

Snakemake sees files, parameters and a rule's own text, not the Python that the rule calls. Each
rule therefore carries this fingerprint as a parameter: the modules of this package that its stage
imports, directly or through others, each as syntax tree without comments and docstrings.
"""

import ast
import hashlib
import json
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
STARTED = "DPAM_STARTED_WITH"  # variable of the environment
DEFINITIONS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Module(NamedTuple):
    """What counts of a module.

    Attributes:
        digest: of its code, 8 hexadecimal digits.
        imports: names of this package that it imports anywhere, submodules or attributes.
        texts: every text in it that may be the name of a file beside it.
    """

    digest: str
    imports: frozenset[str]
    texts: frozenset[str]


def source_file(module: str) -> Path | None:
    """The file of a module of this package; None if there is no such module."""
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def digest(content: bytes) -> str:
    """8 hexadecimal digits: enough to tell a file from its own earlier states."""
    return hashlib.sha256(content).hexdigest()[:8]


def dump(value: Any) -> str:
    """A syntax tree as text, less docstrings, positions, and fields that hold nothing.

    The latter are those that a newer Python adds for what the code does not use, so that the
    text is the same for each.
    """
    if isinstance(value, list):
        return f"[{' '.join(map(dump, value))}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    fields = {name: field for name, field in ast.iter_fields(value) if field not in (None, [])}
    if isinstance(value, DEFINITIONS) and ast.get_docstring(value, clean=False) is not None:
        fields["body"] = value.body[1:]
    return f"{type(value).__name__}({' '.join(f'{k}={dump(v)}' for k, v in fields.items())})"


def imports_of(tree: ast.Module) -> frozenset[str]:
    """Names of this package that a module imports anywhere in it, submodules or attributes."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in names if name.split(".")[0] == "dpam")


def file_names(tree: ast.Module) -> frozenset[str]:
    """Texts in a module that may be names of files: short, with a dot, without spaces."""
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return frozenset(
        text for text in texts if isinstance(text, str) and re.fullmatch(r"[\w/-]+(\.\w+)+", text)
    )


@cache  # most modules are reached by many stages
def examine(source: bytes) -> Module:
    """What counts of a module's source."""
    tree = ast.parse(source)
    return Module(digest(dump(tree).encode()), imports_of(tree), file_names(tree))


def reachable(module: str) -> dict[str, Module]:
    """Every module of this package that importing `module` executes."""
    found: dict[str, Module] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = source_file(name)
        if name in found or path is None:
            continue
        found[name] = examine(path.read_bytes())
        waiting.extend(found[name].imports)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return found


def remember(started: Mapping[str, str]) -> None:
    """Leave word for the jobs of a run, in their environment, of what it was started with.

    Args:
        started: what -> its fingerprint; of stages: `code_fingerprint("dpam.commands.NAME")`.
    """
    digests = {name: digest(text.encode()) for name, text in started.items()}
    os.environ[STARTED] = json.dumps(digests)


def find_edits(now: Mapping[str, str]) -> list[str]:
    """What is other than when the run was started that this is a job of; nothing if it is none.

    A job may start hours after its run, or wait in a cluster's queue for days, and it reads code,
    and on a cluster the configuration, anew. It would compute with the new ones, and Snakemake
    would record the old ones.
    """
    started = json.loads(os.environ.get(STARTED, "{}"))
    digests = {name: digest(text.encode()) for name, text in now.items() if name in started}
    return [name for name, found in digests.items() if found != started[name]]


def code_fingerprint(module: str) -> str:
    """Digests of all code that `module` can reach, and of the files beside it that it names.

    Args:
        module: e.g. "dpam.commands.train".

    Returns:
        JSON, sorted: file, relative to the package's parent -> 8 hexadecimal digits; comments,
        docstrings and layout leave them as they are.
    """
    digests: dict[str, str] = {}
    for name, found in reachable(module).items():
        path = source_file(name)
        if path is None:
            continue
        digests[path.relative_to(ROOT).as_posix()] = found.digest
        for file in (path.parent / text for text in found.texts):
            if file.is_file() and file.suffix != ".py":
                digests[file.relative_to(ROOT).as_posix()] = digest(file.read_bytes())
    return json.dumps(digests, sort_keys=True)
