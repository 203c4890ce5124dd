"""Tables on made-up scores, whose statistics are known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpam.cli import main
from dpam.errors import DpamError
from dpam.tables import caption, escape_latex, latex, read_scores, readable, summarise

NUMBERS = {
    "krcc": 0.6,
    "plcc": 0.7,
    "rmse": 0.2,
    "plcc_fitted": 0.75,
    "rmse_fitted": 0.1,
    "logistic": [0.9, 0.1, 0.5, 0.2],
    "by_distortion": {},
}
SRCC = {"split00": 0.5, "split01": 0.8, "split02": 0.9}


def add(folder: Path, experiment: str, **change: Any) -> dict[str, Any]:
    """Write one score; returns its row of the list of scores."""
    row: dict[str, Any] = {
        "experiment": experiment,
        "dataset": "kadid10k",
        "part": "all",
        "method": "slic",
        "split": "split00",
        "seed": 20,
    }
    row |= {name: change[name] for name in change if name in [*row, "test_dataset"]}
    row.setdefault("test_dataset", row["dataset"])
    run = folder.joinpath(row["dataset"], row["part"], row["method"], row["split"])
    row["run"] = str(run / f"seed{row['seed']}")
    score = {name: row[name] for name in row if name not in ("experiment", "run")}
    score |= {"label_kind": "DMOS", "n": 200, "srcc": SRCC.get(row["split"], 0.7), **NUMBERS}
    score |= {name: change[name] for name in change if name in score}
    path = Path(row["run"]) / f"on-{row['test_dataset']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(score))
    return row


def listed(folder: Path, rows: list[dict[str, Any]]) -> Path:
    pd.DataFrame(rows).to_csv(folder / "scores.csv", index=False)
    return folder / "scores.csv"


@pytest.fixture
def individual(tmp_path: Path) -> Path:
    sizes = {"split00": 200, "split01": 190, "split02": 210}
    return listed(tmp_path, [add(tmp_path, "individual", split=s, n=sizes[s]) for s in SRCC])


def test_statistics_over_splits(individual: Path) -> None:
    (row,) = summarise(read_scores(individual)).to_dict("records")
    assert (row["splits"], row["runs"], row["n_min"], row["n_max"]) == (3, 3, 190, 210)
    assert row["srcc_median"] == 0.8
    assert row["srcc_mean"] == pytest.approx(2.2 / 3)
    assert row["srcc_std"] == pytest.approx(np.std([0.5, 0.8, 0.9], ddof=1))
    assert row["plcc_fitted_median"] == 0.75
    assert row["label_kind"] == "DMOS"


def test_published_values_only_where_they_compare(tmp_path: Path) -> None:
    rows = [
        add(tmp_path, "e"),
        add(tmp_path, "e", method="rim"),
        add(tmp_path, "e", part="blur"),
        add(tmp_path, "e", test_dataset="csiq"),
        add(tmp_path, "e", dataset="mine"),
    ]
    table = summarise(read_scores(listed(tmp_path, rows)))
    assert table["published_srcc"].tolist() == pytest.approx([0.937, *[np.nan] * 4], nan_ok=True)
    assert table["published_plcc"].tolist() == pytest.approx([0.945, *[np.nan] * 4], nan_ok=True)


def test_undefined_values_stay_undefined(tmp_path: Path) -> None:
    rows = [add(tmp_path, "e"), add(tmp_path, "e", split="split01", srcc=None, logistic=None)]
    scores = read_scores(listed(tmp_path, rows))
    assert scores["srcc"].isna().tolist() == [False, True]
    assert scores["logistic_width"].isna().tolist() == [False, True]
    (row,) = readable(summarise(scores)).to_dict("records")
    assert row["SRCC"] == "\N{EN DASH}"
    assert row["PLCC"] == "0.700 ± 0.000"


def test_readable_shows_what_tells_rows_apart(individual: Path, tmp_path: Path) -> None:
    alone = readable(summarise(read_scores(individual)))
    assert alone.columns[:4].tolist() == ["dataset", "labels", "images", "splits"]
    assert alone.loc[0, "images"] == "190\N{EN DASH}210"
    assert alone.loc[0, "SRCC"] == "0.800 ± 0.208"
    assert alone.loc[0, "published SRCC"] == "0.937"

    rows = [add(tmp_path, "e", test_dataset="csiq"), add(tmp_path, "e", test_dataset="live")]
    crossed = readable(summarise(read_scores(listed(tmp_path, rows))))
    assert crossed.columns[:3].tolist() == ["trained on", "tested on", "labels"]
    assert "published SRCC" not in crossed
    assert crossed.loc[0, "SRCC"] == "0.500"

    rows = [add(tmp_path, "e", part="blur"), add(tmp_path, "e", method="rim", seed=21)]
    parts = readable(summarise(read_scores(listed(tmp_path, rows))))
    assert parts.columns[:3].tolist() == ["dataset", "distortion", "superpixels"]

    rows = [add(tmp_path, "e"), add(tmp_path, "e", seed=21)]
    (seeds,) = readable(summarise(read_scores(listed(tmp_path, rows)))).to_dict("records")
    assert (seeds["splits"], seeds["runs"]) == ("1", "2")


def test_negative_numbers_have_a_minus_sign(tmp_path: Path) -> None:
    rows = [add(tmp_path, "e", srcc=-0.25)]
    table = readable(summarise(read_scores(listed(tmp_path, rows))))
    assert table.loc[0, "SRCC"] == "\N{MINUS SIGN}0.250"
    assert r"$-$0.250" in latex(table, "")


def test_pseudo_labels_are_named(tmp_path: Path) -> None:
    rows = [add(tmp_path, "individual", label_kind="pseudo-MOS (HaarPSI)")]
    table = summarise(read_scores(listed(tmp_path, rows)))
    assert "pseudo-MOS (HaarPSI), computed, not given by people" in caption("individual", table)
    assert readable(table).loc[0, "labels"] == "pseudo-MOS (HaarPSI)"


def test_latex_is_escaped_and_complete() -> None:
    table = pd.DataFrame({"data_set": ["50 % & more", r"a\b"], "SRCC": ["0.9 ± 0.1", "x^2"]})
    assert latex(table, "A_caption").splitlines() == [
        r"\begin{table}",
        r"\centering",
        r"\caption{A\_caption}",
        r"\begin{tabular}{ll}",
        r"\toprule",
        r"data\_set & SRCC \\",
        r"\midrule",
        r"50 \% \& more & 0.9 $\pm$ 0.1 \\",
        r"a\textbackslash{}b & x\textasciicircum{}2 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    assert escape_latex("{~}#$") == r"\{\textasciitilde{}\}\#\$"


def test_command_writes_one_table_per_experiment(tmp_path: Path) -> None:
    rows = [add(tmp_path, "individual", split=split) for split in SRCC]
    rows += [add(tmp_path, "my_own", test_dataset="csiq", split="whole")]
    output = tmp_path / "tables"
    assert main(["tabulate", str(listed(tmp_path, rows)), "--output-dir", str(output)]) == 0
    names = ["individual.csv", "individual.tex", "my_own.csv", "my_own.tex", "scores.csv"]
    assert sorted(path.name for path in output.iterdir()) == names
    scores = pd.read_csv(output / "scores.csv")
    assert scores["srcc"].tolist() == [0.5, 0.8, 0.9, 0.7]
    assert scores["logistic_centre"].tolist() == [0.5] * 4
    assert scores.columns[:9].tolist() == [
        *["experiment", "dataset", "part", "method", "split", "seed", "test_dataset", "run"],
        "label_kind",
    ]
    assert pd.read_csv(output / "my_own.csv")["srcc_median"].tolist() == [0.7]
    assert "0.937" in (output / "individual.tex").read_text()


def test_missing_and_foreign_scores_are_all_listed(individual: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kadid10k" / "all" / "slic"
    (folder / "split00" / "seed20" / "on-kadid10k.json").unlink()
    foreign = folder / "split01" / "seed20" / "on-kadid10k.json"
    foreign.write_text(foreign.read_text().replace("split01", "split07"))
    with pytest.raises(DpamError) as error:
        read_scores(individual)
    assert "split00/seed20/on-kadid10k.json: no such file" in str(error.value)
    assert "split01/seed20/on-kadid10k.json: belongs to another run" in str(error.value)


def test_empty_list(individual: Path) -> None:
    individual.write_text(individual.read_text().splitlines()[0] + "\n")
    with pytest.raises(DpamError, match="found none"):
        read_scores(individual)
