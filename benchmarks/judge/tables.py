"""The sections of the model card as Markdown, of the JSONs of judges."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from dpam.errors import DpamError
from dpam.evaluation.formatting import DASH, decimal
from dpam.evaluation.published import published
from dpam.experiments.settings import TrainingSettings

from .figures import LADDERS, MAP, SIZES
from .maps import EXAMPLE
from .sizes import BLUR, NOISE, QUALITY


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def number(found: Mapping[str, Any] | None, name: str) -> str:
    """A number with its interval, in brackets."""
    if found is None or found[name] is None:
        return DASH
    ends = found["intervals"][name]
    return decimal(found[name]) + (f" [{decimal(ends[0])}, {decimal(ends[1])}]" if ends else "")


def points(value: float) -> str:
    """A score from 0 to 100."""
    return f"{value:.1f}"


def percent(share: float) -> str:
    """A share; never 100 % of what is a little less."""
    text = f"{100 * share:.1f}"
    return ("99.9" if text == "100.0" and share < 1 else text).removesuffix(".0") + " %"


def networks(judges: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The judges that are checkpoints."""
    return [judge for judge in judges if "file" in judge["about"]]


def card(judges: Sequence[Mapping[str, Any]]) -> str:
    """What the files are, a column for each."""
    known = networks(judges)
    facts = [facts_of(judge["about"]) for judge in known]
    names = dict.fromkeys(name for each in facts for name in each)
    rows = [[name, *(each.get(name, DASH) for each in facts)] for name in names]
    return table(["", *(judge["title"] for judge in known)], rows)


def facts_of(about: Mapping[str, Any]) -> dict[str, str]:
    """What a file is; of its training what differs from the defaults."""
    settings, trained, start = about["settings"], about["trained"], about["start"]
    training, epochs = trained.get("training", {}), "none"
    if "epochs" in training:
        epochs = f"{trained.get('selected_epoch', DASH)} of {training['epochs']}"
    millions = about["parameters"] / 1e6
    side = about["image_size"]
    facts = {
        "file": f"`{about['file']}`, {about['bytes'] / 1e6:.1f} MB",
        "SHA-256": f"`{about['id']}`",
        "network": f"`{settings.get('network', 'dpam')}`, {millions:.1f} million parameters",
        "backbone": f"`{settings['backbone']}`, blocks {settings['out_indices']} from 0",
        "input": f"the whole photograph, resized to {side}x{side} pixels",
        "trained on": f"{trained.get('title', DASH)}, split {trained.get('split', DASH)}, "
        f"seed {trained.get('seed', DASH)}",
        "epoch": f"{epochs}, selected on: {trained.get('selected_by', DASH)}",
    }
    by_train = "epochs" in training  # else by another recipe, of which all is told
    usual = asdict(TrainingSettings()) if by_train else dict.fromkeys(training)
    chosen = {key: value for key, value in training.items() if usual.get(key, value) != value}
    if chosen:
        facts["settings of training"] = ", ".join(f"`{k}: {v}`" for k, v in chosen.items())
    if start["file"]:
        facts["started from"] = f"`{start['file']}`, SHA-256 `{start['sha256']}`"
    return facts


def test(judges: Sequence[Mapping[str, Any]]) -> str:
    """The test set: all judges, the floor, and what was published."""
    names = ("srcc", "plcc", "krcc", "rmse", "srcc_within")
    head = [
        "",
        "SRCC",
        "PLCC",
        "KRCC",
        "RMSE",
        "SRCC within",
        "SRCC without near-duplicates",
        "PLCC without",
    ]

    def row(title: str, found: Mapping[str, Any]) -> list[str]:
        apart = found["without near-duplicates"]
        cells = [number(found["all"], name) for name in names]
        return [title, *cells, number(apart, "srcc"), number(apart, "plcc")]

    known = [judge for judge in judges if "test" in judge]
    rows = [row(judge["title"], judge["test"]) for judge in known]
    if "floor" in known[0]["test"]:
        rows.append(row("mean of the sub-collection in training", known[0]["test"]["floor"]))
    rows[0][0] = f"**{rows[0][0]}**"
    others = published()
    others = others[(others["dataset"] == "biq2021") & others["srcc"].notna()]
    rows += [
        [f"{one['method']}, as published", decimal(one["srcc"]), decimal(one["plcc"]), *[""] * 5]
        for one in others.sort_values("srcc", ascending=False).to_dict("records")
    ]
    found = known[0]["test"]
    counts = found["all"]["n"], found["all"]["n"] - found["without near-duplicates"]["n"]
    return table(head, rows) + (
        f"\n{counts[0]:,} photographs, of which {counts[1]} have a near-duplicate in training or "
        "validation. PLCC without a fitted logistic; RMSE on the scale from 0 to 1."
    )


def within(judges: Sequence[Mapping[str, Any]]) -> str:
    """SRCC within each sub-collection."""
    known = [judge for judge in judges if "test" in judge]
    groups = known[0]["test"]["groups"]
    head = ["SRCC within", *(f"{name}, {found['n']} photographs" for name, found in groups.items())]
    rows = [
        [judge["title"], *(number(judge["test"]["groups"].get(name), "srcc") for name in groups)]
        for judge in known
    ]
    return table(head, rows)


def ladders(judges: Sequence[Mapping[str, Any]], images: str) -> str:
    """The figure, and a table of what is in the right order."""
    known = [judge for judge in judges if "ladders" in judge]
    ours = known[0]["ladders"]
    head = [
        "defect",
        "levels 1 to 5",
        *(judge["title"] for judge in known),
        "AUC against levels 3, 4, 5",
    ]
    rows = []
    for kind, found in ours["kinds"].items():
        name = kind.replace("_", " ") + ("" if found["seen"] else "*")
        levels = ", ".join(f"{strength:g}" for strength in found["strengths"])
        shares = [percent(judge["ladders"]["kinds"][kind]["right_order"]) for judge in known]
        rows.append([name, levels, *shares, ", ".join(map(decimal, found["auc"].values()))])
    count = len(ours["photographs"])
    several = len({name for name, _ in ours["photographs"]})
    shown = f"{count} photographs, each whole"
    if count > several:
        shown = f"{count} photographs ({several}, each whole and in {count // several - 1} parts)"
    return (
        f"![Mean score by level of each defect]({images}/{LADDERS})\n\n"
        + table([cell.replace("AUC", f"AUC of {known[0]['title']}") for cell in head], rows)
        + f"\nShare of pairs in the right order: {shown}, the original and five levels of each, 15 "
        "pairs a photograph. "
        "\\* A defect that no training here has seen."
    )


def maps(judges: Sequence[Mapping[str, Any]], images: str) -> str:
    """The figure and table of the first judge, and how often each finds the half with a defect."""
    known = [judge for judge in judges if "maps" in judge]
    ours, (name, kind, half) = known[0]["maps"], EXAMPLE
    rows = []
    for defect, pairs in ours["kinds"].items():
        plain, changed = np.array(pairs).T
        cells = [percent(float(np.mean(found))) for found in (changed > plain, changed > 0)]
        star = "" if known[0]["ladders"]["kinds"][defect]["seen"] else "*"
        rows.append([defect.replace("_", " ") + star, *cells, f"{np.mean(changed - plain):.3f}"])
    head = ["defect", "more is lost there than before", "than in the other half", "by, of 1"]
    seen = [judge["maps"] for judge in known]
    shares = [percent(share_found(found)) for found in seen]
    spans = [f"{found['grey']:.2f}" for found in seen]
    titles = [judge["title"] for judge in known]
    return (
        f"![{name}, the {half} half with {kind}; its map]({images}/{MAP})\n\n"
        + table(head, rows)
        + f"\n{ours['photographs']} photographs, the left or the right half with level 3 of each "
        f"defect, by {titles[0]}. More is lost there than before, over all kinds: "
        f"{of_each(titles, shares)}. The map of a plain grey field spans {of_each(titles, spans)}: "
        "so much comes from a patch's place alone."
    )


def share_found(found: Mapping[str, Any]) -> float:
    """Of all photographs and defects, in how many more is lost in that half than before."""
    pairs = np.array(list(found["kinds"].values()))  # (kinds, photographs, 2)
    return float(np.mean(pairs[..., 1] > pairs[..., 0]))


def of_each(titles: Sequence[str], values: Sequence[str]) -> str:
    """Values of several judges in a sentence."""
    return ", ".join(f"{value} ({title})" for title, value in zip(titles, values, strict=True))


def sizes(judges: Sequence[Mapping[str, Any]], images: str) -> str:
    """The figure of the first judge, and of each what moves how far."""
    known = [judge for judge in judges if "sizes" in judge]
    sides = known[0]["sizes"]["sides"]
    lines, rows = [], []
    for judge in known:
        line, costs = moves(judge["sizes"])
        lines.append(f"- **{judge['title']}**: {line}")
        rows += [[f"{judge['title']}: {what} costs, on average", *cells] for what, cells in costs]
    return (
        f"![Score by size of the photograph]({images}/{SIZES})\n\n"
        + "\n".join(lines)
        + "\n\n"
        + table(["longer side, pixels", *map(str, sides)], rows)
    )


def moves(found: Mapping[str, Any]) -> tuple[str, list[tuple[str, list[str]]]]:
    """How far size, file and company move a judge's scores, and what defects cost by size."""
    by_form = {
        form: np.array([values[form] for values in found["photographs"].values()])
        for form in next(iter(found["photographs"].values()))
    }
    plain, sides = by_form["PNG"], found["sides"]
    middle = sides.index(512) if 512 in sides else 0
    span = np.ptp(plain, axis=1).max()
    from_middle = np.ptp(plain[:, middle:], axis=1).max()
    jpeg = np.abs(by_form["JPEG"] - plain).max()
    grey = by_form["grey"] - plain
    batch = found["in_a_batch"]
    line = (
        f"From {sides[0]} to {sides[-1]} pixels the score of a photograph moves by at most "
        f"{points(span)} points, from {sides[middle]} on by {points(from_middle)}. "
        f"JPEG of quality {QUALITY} instead of PNG: at most {points(jpeg)} points. "
        f"Grey instead of colour: {grey.mean():+.1f} points on average "
        f"({grey.min():+.1f} to {grey.max():+.1f}). "
        f"{batch['photographs']} photographs in a batch or each alone: the largest difference is "
        f"{batch['largest_difference']:.1g} points."
    )
    kinds = {
        f"noise of {NOISE:g} grey levels": "noise",
        f"blur by a Gaussian of {BLUR:g} pixels": "blur",
    }
    costs = [
        (what, [points(value) for value in (plain - by_form[form]).mean(axis=0)])
        for what, form in kinds.items()
    ]
    return line, costs


def coverage(judges: Sequence[Mapping[str, Any]]) -> str:
    """How often the intervals hold the label, and how far they reach."""
    head, columns = ["test photographs"], []
    for judge in (each for each in networks(judges) if "test" in each):
        found = judge["test"].get("coverage")
        if found is None:
            raise DpamError(f"{judge['title']}: gives no intervals; calibrate the checkpoint")
        tenths = [f"{10 * k} to {10 * k + 10} % by score" for k in range(len(found["deciles"]))]
        columns.append(
            {"all": found["all"], **found["groups"]}
            | dict(zip(tenths, found["deciles"], strict=True))
        )
        head.append(f"{judge['title']}: label inside")

    def cell(found: Mapping[str, Any]) -> str:
        return f"{percent(found['inside'])} (± {points(found['width'] / 2)})"

    rows = [
        [f"{name}, {one['n']}", *(cell(each[name]) for each in columns)]
        for name, one in columns[0].items()
    ]
    return table(head, rows) + "\nIn brackets: half of the intervals' mean width."


def absurd(judges: Sequence[Mapping[str, Any]]) -> str:
    """Scores of images that are no photographs, and of optimised ones."""
    known = [judge for judge in judges if "absurd" in judge]
    images = known[0]["absurd"]["images"]
    rows = [
        [name, *(points(judge["absurd"]["images"][name]) for judge in known)] for name in images
    ]
    text = table(["", *(judge["title"] for judge in known)], rows)
    changed = [
        [
            f"{judge['title']}: {name}",
            points(one["start"]),
            f"{points(one['raised'])} ({points(one['raised_change'])})",
            f"{points(one['lowered'])} ({points(one['lowered_change'])})",
        ]
        for judge in networks(known)
        for name, one in judge["absurd"]["optimised"].items()
    ]
    head = ["optimised from", "score", "raised to", "lowered to"]
    ends = [judge["bounds"] for judge in networks(judges)]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return (
        f"{text}\n{table(head, changed)}\nIn brackets: the mean change of a value, of 255. "
        f"Of all scores measured for this page the lowest is {points(low)}, the highest "
        f"{points(high)}."
    )


def speed(judges: Sequence[Mapping[str, Any]]) -> str:
    """Photographs a second."""
    known = [judge for judge in judges if "speed" in judge]
    ours = known[0]["speed"]
    head = ["1024x768, JPEG, from file to score", "photographs a second", "of BRISQUE's features"]
    rows = []
    for judge in known:
        found = judge["speed"]
        for form, words in (("together", "many at once"), ("alone", "one at a time")):
            ratio = found[form] / found["brisque"]
            rows.append(
                [
                    f"{judge['title']}, {words}",
                    f"{found[form]:.1f}",
                    f"{ratio:.2f}",
                ]
            )
    rows.append(["BRISQUE's features alone, one thread", f"{ours['brisque']:.1f}", "1"])
    text = table(head, rows)
    start = (
        f" A new process takes {ours['start']:.1f} s until its first score."
        if "start" in ours
        else ""
    )
    return (
        f"{text}\n{ours['processor']}; {ours['cores']} cores, {ours['threads']} threads, "
        f"load before {ours['load_before']:.1f}.{start}"
    )
