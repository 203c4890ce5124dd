"""A fingerprint of the code that a stage can reach.

Snakemake sees files, parameters and a rule's own text, not the Python that the rule calls. Each
rule therefore carries this fingerprint as a parameter: the modules of this package that its stage
imports, directly or through others, each as syntax tree without comments and docstrings.
"""

import ast
import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFINITIONS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def source_file(module: str) -> Path | None:
    """The file of a module of this package; None if there is no such module."""
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def imported(tree: ast.Module) -> set[str]:
    """Names of this package that a module imports anywhere in it, submodules or attributes."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] == "dpam"}


def without_docstrings(tree: ast.Module) -> ast.Module:
    """The tree less its docstrings, in place."""
    for node in ast.walk(tree):
        if isinstance(node, DEFINITIONS) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return tree


def reachable(module: str) -> dict[str, ast.Module]:
    """Every module of this package that importing `module` executes, with its syntax tree."""
    found: dict[str, ast.Module] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = source_file(name)
        if name in found or path is None:
            continue
        found[name] = ast.parse(path.read_bytes())
        waiting.extend(imported(found[name]))
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return found


def code_fingerprint(module: str) -> str:
    """Hash of all code, and of all files shipped beside it, that `module` can reach.

    Args:
        module: e.g. "dpam.stages.train".

    Returns:
        16 hexadecimal digits; comments, docstrings and layout leave them as they are.
    """
    digest = hashlib.sha256()
    folders = set()
    for name, tree in sorted(reachable(module).items()):
        digest.update(f"{name}\n{ast.dump(without_docstrings(tree))}\n".encode())
        path = source_file(name)
        if path is not None and path.parent != ROOT / "dpam":
            folders.add(path.parent)
    for folder in sorted(folders):
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                digest.update(path.name.encode() + b"\n" + path.read_bytes())
    return digest.hexdigest()[:16]
