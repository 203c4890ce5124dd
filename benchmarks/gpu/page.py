"""The page of what was measured on a GPU."""

from typing import Any

TITLES = {
    "tests": "Tests marked `gpu`",
    "network": "The network at its published size",
    "training": "Training, from pack to checkpoint",
    "predict": "`dpam predict`, from file to score",
    "superpixels": "Superpixels",
    "profile": "Where a training step goes",
}


def markdown(found: dict[str, Any]) -> str:
    """The page: a table of each section, in their order."""
    made_by = found["record"]
    versions = ", ".join(f"{name} {number}" for name, number in made_by["versions"].items())
    parts = [
        f"# {made_by['device']}",
        f"Commit {made_by['commit']}; Python {made_by['python']}; {versions}.",
    ]
    if found["small"]:
        parts.append("**A trial with tiny sizes: these numbers say nothing.**")
    for section, result in found["sections"].items():
        parts.append(f"## {TITLES[section]}")
        parts += [
            *result.get("notes", []),
            *([table(rows)] if (rows := result.get("rows")) else []),
        ]
        if "stopped" in result:
            parts.append(f"Not all: {result['stopped']}.")
        parts.append(f"({result['seconds']:.0f} s.)")
    return "\n\n".join(parts) + "\n"


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table with a column for each key of the first row."""
    names = list(rows[0])
    lines = [
        names,
        ["---"] * len(names),
        *([told(row.get(name)) for name in names] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def told(value: Any) -> str:
    """A cell."""
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace("|", "\\|")
