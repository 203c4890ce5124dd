"""What each command costs before it works: the time of a new process with all that it imports.

Imports inside of functions count, too: they are made once the command has looked at its arguments.
Of each command the fastest of three processes, one after the other; a new Python alone is a row.

    python benchmarks/start.py
"""

import ast
import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from dpam.cli import COMMANDS
from dpam.utils.progress import track

ROUNDS = 3
TOLD = ("torch", "pandas", "scipy", "numba", "matplotlib")


def imports(node: ast.AST) -> Iterator[str]:
    """The import statements in a tree, but for those that only type checkers read."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        statement = ast.unparse(node)  # what an extra brings may be missing
        if "__future__" not in statement:
            yield f"try:\n    {statement}\nexcept ImportError:\n    pass"
    for child in ast.iter_child_nodes(node):
        yield from imports(child)


def measured(code: str) -> tuple[float, list[str]]:
    """Seconds of a process that runs some code, and which of TOLD it has imported."""
    code += f"\nimport sys; print(*[name for name in {TOLD} if name in sys.modules])"
    seconds, loaded = [], ""
    for _ in range(ROUNDS):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
        loaded = done.stdout.decode()
    return min(seconds), loaded.split()


def main() -> None:
    """Print the table."""
    rows = [("(Python alone)", *measured(""))]
    for command, (module, _) in track(COMMANDS.items(), "measuring", len(COMMANDS), "command"):
        found = importlib.util.find_spec(module)
        assert found is not None
        assert found.origin is not None
        lines = list(imports(ast.parse(Path(found.origin).read_text(encoding="utf-8"))))
        rows.append((command, *measured("\n".join(["import dpam.cli", *lines]))))
    print("| command | s | imports |\n| --- | --- | --- |")
    for command, seconds, loaded in sorted(rows, key=lambda row: row[1]):
        print(f"| {command} | {seconds:.1f} | {', '.join(loaded)} |")


if __name__ == "__main__":
    main()
