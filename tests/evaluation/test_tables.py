"""Tables on made-up metrics, whose statistics are known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpam.cli import main
from dpam.errors import DpamError
from dpam.evaluation.captions import about_near, caption, layout_caption
from dpam.evaluation.formatting import (
    escape_latex,
    latex,
    markdown,
    over_splits,
    paper_layout,
    paper_text,
    readable,
    readable_types,
)
from dpam.evaluation.published import published
from dpam.evaluation.tables import (
    floors,
    not_selected_on_test,
    read_metrics,
    read_results,
    summarise,
    types_and_levels,
)
from dpam.figures.selection import distortion_types
from dpam.figures.style import style

NUMBERS = {
    "krcc": 0.6,
    "plcc": 0.7,
    "rmse": 0.2,
    "plcc_fitted": 0.75,
    "rmse_fitted": 0.1,
    "logistic": [0.9, 0.1, 0.5, 0.2],
    "by_distortion": {"blur": {"n": 9, "srcc": 0.4, "plcc": None}},
    "by_level": {"1": {"n": 50, "srcc": 0.3, "plcc": 0.2}},
    "by_group": {"blur": {"n": 9, "srcc": 0.4, "plcc": None}},
    "srcc_within": None,
    "near_duplicates": {"images": 0, "pairs": [], "without": {"n": 200, "srcc": 0.5, "plcc": 0.7}},
    "floor": None,
    "logistic_status": "converged",
    "clusters": 40,
    "intervals_over": "references",
    "intervals": {
        **dict.fromkeys(["plcc", "srcc_within", "rmse", "plcc_fitted", "rmse_fitted"]),
        "srcc": [0.45, 0.91],
    },
    "test_to_train": 0.25,
    "validation": {"n": 30, "srcc": 0.65, "plcc": None},
    "selection": "validation",
}
SRCC = {"split00": 0.5, "split01": 0.8, "split02": 0.9}


def add(folder: Path, experiment: str, **change: Any) -> dict[str, Any]:
    """Write the metrics of one run; returns its row of the list of runs."""
    row: dict[str, Any] = {
        "experiment": experiment,
        "dataset": "kadid10k",
        "distortion": "all",
        "method": "slic",
        "split": "split00",
        "seed": 20,
    }
    row |= {name: change[name] for name in change if name in [*row, "test_dataset"]}
    row.setdefault("test_dataset", row["dataset"])
    run = folder.joinpath(row["dataset"], row["distortion"], row["method"], row["split"])
    row["run"] = str(run / f"seed{row['seed']}")
    score = {name: row[name] for name in row if name not in ("experiment", "run")}
    score |= {"label_kind": "DMOS", "n": 200, "srcc": SRCC.get(row["split"], 0.7), **NUMBERS}
    score |= {name: change[name] for name in change if name in score}
    path = Path(row["run"]) / f"on-{row['test_dataset']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(score))
    return row


def listed(folder: Path, rows: list[dict[str, Any]]) -> Path:
    pd.DataFrame(rows).to_csv(folder / "runs.csv", index=False)
    return folder / "runs.csv"


@pytest.fixture
def individual(tmp_path: Path) -> Path:
    sizes = {"split00": 200, "split01": 190, "split02": 210}
    return listed(tmp_path, [add(tmp_path, "individual", split=s, n=sizes[s]) for s in SRCC])


def test_statistics_over_splits(individual: Path) -> None:
    (row,) = summarise(read_metrics(individual)).to_dict("records")
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
        add(tmp_path, "e", distortion="blur"),
        add(tmp_path, "e", test_dataset="csiq"),
        add(tmp_path, "e", dataset="mine"),
    ]
    table = summarise(read_metrics(listed(tmp_path, rows)))
    assert table["published_srcc"].tolist() == pytest.approx([0.937, *[np.nan] * 4], nan_ok=True)
    assert table["published_plcc"].tolist() == pytest.approx([0.945, *[np.nan] * 4], nan_ok=True)


def test_undefined_values_stay_undefined(tmp_path: Path) -> None:
    rows = [add(tmp_path, "e"), add(tmp_path, "e", split="split01", srcc=None, logistic=None)]
    metrics = read_metrics(listed(tmp_path, rows))
    assert metrics["srcc"].isna().tolist() == [False, True]
    assert metrics["logistic_width"].isna().tolist() == [False, True]
    (row,) = readable(summarise(metrics)).to_dict("records")
    assert row["SRCC"] == "0.500, \N{EN DASH}"
    assert row["PLCC"] == "0.700, 0.700"


def test_a_logistic_that_did_not_converge_is_said(tmp_path: Path) -> None:
    failed = {"plcc_fitted": None, "rmse_fitted": None, "logistic": None}
    failed |= {"logistic_status": "not converged"}
    rows = [add(tmp_path, "e"), add(tmp_path, "e", split="split01", **failed)]
    table = summarise(read_metrics(listed(tmp_path, rows)))
    assert table["not_converged"].tolist() == [1]
    (row,) = readable(table).to_dict("records")
    assert row["PLCC fitted"] == "not converged: 1 of 2 fits"
    assert row["PLCC"] == "0.700, 0.700"
    alone = summarise(read_metrics(listed(tmp_path, rows[1:])))
    assert readable(alone).loc[0, "RMSE fitted"] == "not converged"
    undefined = add(tmp_path, "e", **failed | {"logistic_status": "undefined"})
    alone = summarise(read_metrics(listed(tmp_path, [undefined])))
    assert readable(alone).loc[0, "RMSE fitted"] == "\N{EN DASH}"


def test_each_of_few_splits_is_shown_and_of_more_their_deviation(tmp_path: Path) -> None:
    rows = [add(tmp_path, "e"), add(tmp_path, "e", split="split01")]
    rows += [add(tmp_path, "e", split="split01", seed=21, srcc=0.6)]
    few = summarise(read_metrics(listed(tmp_path, rows)))
    assert few.loc[0, "runs"] == 3
    assert readable(few).loc[0, "SRCC"] == "0.500, 0.700"  # 0.7 is the mean of two seeds
    assert paper_text(few).iloc[-1]["kadid10k SRCC"] == "0.500, 0.700"
    assert paper_layout(few).iloc[-1]["kadid10k SRCC"] == 0.6
    rows = [add(tmp_path, "e", split=f"split0{i}", srcc=0.5 + i / 10) for i in range(4)]
    more = summarise(read_metrics(listed(tmp_path, rows)))
    assert readable(more).loc[0, "SRCC"] == "0.650 ± 0.129"
    seeds = [add(tmp_path, "e", seed=i, srcc=0.5 + i / 10) for i in range(4)]
    assert readable(summarise(read_metrics(listed(tmp_path, seeds)))).loc[0, "SRCC"] == (
        "0.650 ± 0.129"
    )


def test_a_single_run_has_its_interval(tmp_path: Path) -> None:
    rows = [add(tmp_path, "e"), add(tmp_path, "e", split="split01")]
    alone = summarise(read_metrics(listed(tmp_path, rows[:1])))
    assert readable(alone).loc[0, "SRCC"] == "0.500 [0.450, 0.910]"
    assert readable(alone).loc[0, "PLCC"] == "0.700"
    both = summarise(read_metrics(listed(tmp_path, rows)))
    assert np.isnan(both.loc[0, "srcc_low"])
    few = [add(tmp_path, "e", intervals_over="images of few references")]
    alone = summarise(read_metrics(listed(tmp_path, few)))
    assert readable(alone).loc[0, "SRCC"] == "0.500 [0.450, 0.910]*"


def test_weights_selected_by_different_rules_are_rows_of_their_own(tmp_path: Path) -> None:
    rows = [add(tmp_path, "individual")]
    metrics = read_metrics(listed(tmp_path, rows))
    on_test = metrics.assign(selection="test", srcc=0.9)
    table = summarise(pd.concat([metrics, on_test]))
    assert table["srcc_median"].tolist() == [0.5, 0.9]
    assert readable(table)["epoch selected on"].tolist() == ["validation", "test"]
    layout = paper_layout(table).tail(2)  # those selected on test next to the published ones
    assert layout["epoch selected on"].tolist() == ["test", "validation"]
    assert layout["kadid10k SRCC"].tolist() == [0.9, 0.5]
    assert "Epoch selected on test: the one best" in caption("individual", table)
    assert "selected on test" not in caption("individual", summarise(metrics))
    assert not_selected_on_test(table)["selection"].tolist() == ["validation"]
    assert len(not_selected_on_test(table.iloc[1:])) == 1


def test_individual_results_stand_below_the_published_ones(tmp_path: Path) -> None:
    rows = [add(tmp_path, "individual", split=split) for split in SRCC]
    rows += [add(tmp_path, "individual", dataset="csiq"), add(tmp_path, "individual", dataset="x")]
    rows += [add(tmp_path, "individual", dataset="csiq", method="vit_ridge", srcc=0.3)]
    layout = paper_layout(summarise(read_metrics(listed(tmp_path, rows))))
    assert layout.columns.tolist() == [
        *["method", "results", "kadid10k SRCC", "kadid10k PLCC", "csiq SRCC", "csiq PLCC"],
        *["x SRCC", "x PLCC"],
    ]
    by_method = layout.set_index("method")
    dpam, maniqa = by_method.loc["DPAM"], by_method.loc["MANIQA"]
    assert dpam["results"] == maniqa["results"] == "published"
    assert (dpam["kadid10k SRCC"], maniqa["csiq PLCC"]) == (0.937, 0.968)
    assert by_method.loc["HOSA"].isna().tolist() == [False, True, True, False, False, True, True]
    assert "RichIQA" not in by_method.index  # nothing published on either dataset
    ours = by_method.loc["DPAM, SLIC"]
    assert (ours["results"], ours["kadid10k SRCC"], ours["x PLCC"]) == ("measured", 0.8, 0.7)
    assert by_method.loc["frozen ViT features, ridge", "csiq SRCC"] == 0.3
    text = paper_text(summarise(read_metrics(tmp_path / "runs.csv")))
    assert text.iloc[-1].tolist()[2:4] == ["\N{EN DASH}"] * 2
    assert text.set_index("method").loc["DPAM, SLIC", "kadid10k SRCC"] == "0.500, 0.800, 0.900"


def test_what_was_published_on_the_official_split_stands_beside_that_split(tmp_path: Path) -> None:
    def layout_of(split: str) -> tuple[pd.DataFrame, str]:
        rows = [add(tmp_path, "judges", dataset="biq2021", split=split)]
        table = summarise(read_metrics(listed(tmp_path, rows)))
        return paper_layout(table).set_index("method"), layout_caption("judges", table)

    layout, about = layout_of("official")
    assert layout.loc["MetaQAP"].tolist() == ["published", 0.877, 0.884]
    assert layout.index.tolist() == [
        *["BRISQUE", "ResNet-50", "Inception-ResNet-V2", "NASNet-Large", "SGL-IQA", "DeepEns"],
        *["MetaQAP", "DPAM, SLIC"],
    ]
    assert "MetaQAP as its authors report it, whose code chooses on what it tests" in about
    layout, about = layout_of("split00")
    assert layout.index.tolist() == ["DPAM, SLIC"]
    assert "MetaQAP" not in about


def test_layouts_across_datasets_and_of_single_types(tmp_path: Path) -> None:
    pairs = [("live", "csiq"), ("csiq", "live")]
    rows = [add(tmp_path, "cross", dataset=a, test_dataset=b, split="whole") for a, b in pairs]
    layout = paper_layout(summarise(read_metrics(listed(tmp_path, rows))))
    assert layout["trained on"].tolist() == ["live", "csiq"]
    assert layout.columns[3::2].tolist() == ["live SRCC", "csiq SRCC"]
    assert layout["csiq SRCC"].isna().tolist() == [False, True]
    assert set(layout["results"]) == {"measured"}

    rows = [add(tmp_path, "single", distortion="blur"), add(tmp_path, "single", distortion="noise")]
    layout = paper_layout(summarise(read_metrics(listed(tmp_path, rows))))
    assert layout["distortion"].tolist() == ["blur", "noise"]
    assert set(layout["results"]) == {"measured"}


def test_types_and_levels_over_splits(individual: Path) -> None:
    table = types_and_levels(read_results(individual))
    assert table["by"].tolist() == ["distortion", "level"]
    assert table["name"].tolist() == ["blur", "1"]
    assert table["splits"].tolist() == [3, 3]
    assert table["srcc_median"].tolist() == [0.4, 0.3]
    assert table["srcc_each"].tolist() == ["0.4 0.4 0.4", "0.3 0.3 0.3"]
    assert readable_types(table)["SRCC"].tolist() == ["0.400, 0.400, 0.400", "0.300, 0.300, 0.300"]
    assert table["plcc_std"].tolist() == pytest.approx([np.nan, 0], nan_ok=True)
    assert types_and_levels([]).empty


def test_a_run_that_two_experiments_share_is_drawn_once(tmp_path: Path) -> None:
    rows = [add(tmp_path, "individual", split=split) for split in SRCC]
    rows += [add(tmp_path, "superpixel_methods")]
    with style():
        (axes,) = distortion_types(str(listed(tmp_path, rows))).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["blur"]
    assert len(axes.containers[0]) == 1


def test_groups_have_a_column_and_their_mean_a_row(tmp_path: Path) -> None:
    floor = {name: NUMBERS[name] for name in ("krcc", "plcc", "rmse", "plcc_fitted", "rmse_fitted")}
    floor |= {name: NUMBERS[name] for name in ("logistic", "logistic_status", "intervals")}
    floor |= {"n": 200, "srcc": 0.25, "srcc_within": None, "clusters": 40}
    floor["near_duplicates"] = {"images": 0, "without": {"n": 200, "srcc": 0.25, "plcc": 0.7}}
    by_group = {"phone": {"n": 90, "srcc": 0.5, "plcc": 0.4}}
    grouped = {"srcc_within": 0.35, "floor": floor, "by_group": by_group}
    rows = [add(tmp_path, "e", method=method, **grouped) for method in ("slic", "rim")]
    rows += [add(tmp_path, "e", split="split01", **grouped)]
    rows += [add(tmp_path, "other", test_dataset="csiq", srcc_within=0.1)]
    list_file = listed(tmp_path, rows)
    results = read_results(list_file)
    metrics, floors_of = read_metrics(list_file), floors(results)
    assert floors_of[["experiment", "method", "split"]].to_numpy().tolist() == [
        ["e", "group_mean", "split00"],
        ["e", "group_mean", "split01"],
    ]
    both = pd.concat([metrics, floors_of])
    table = summarise(both[both["experiment"] == "e"])
    text = readable(table).set_index("method")
    assert text.loc["DPAM, SLIC", "SRCC within groups"] == "0.350, 0.350"
    assert text.loc["mean of the group in training", "SRCC"] == "0.250, 0.250"
    assert "epoch selected on" not in text  # a mean has no weights
    assert paper_text(table)["method"].iloc[-1] == "mean of the group in training"
    for sentence in ("SRCC within groups: mean", "Mean of the group in training: what"):
        assert sentence in caption("e", table)
    other = summarise(both[both["experiment"] == "other"])
    assert "SRCC within groups" in readable(other)
    assert "Mean of the group" not in caption("other", other)
    kinds = types_and_levels(results)
    assert kinds.loc[kinds["by"] == "group", "name"].tolist() == ["phone", "phone"]
    command = ["tabulate", str(list_file), "--output-dir", str(tmp_path / "tables")]
    assert main(command) == 0
    assert pd.read_csv(tmp_path / "tables" / "e.csv")["method"].tolist()[-1] == "group_mean"
    assert "group_mean" not in (tmp_path / "tables" / "metrics.csv").read_text()
    assert "group_mean" not in (tmp_path / "tables" / "significance.csv").read_text()


def test_results_without_near_duplicates_stand_beside_those_with_them(tmp_path: Path) -> None:
    near = {"images": 12, "pairs": [], "without": {"n": 188, "srcc": 0.45, "plcc": None}}
    rows = [add(tmp_path, "e", near_duplicates=near), add(tmp_path, "e", method="rim")]
    table = summarise(read_metrics(listed(tmp_path, rows)))
    text = readable(table)
    assert text["near-duplicates"].tolist() == ["12", "0"]
    assert text["SRCC without near-duplicates"].tolist() == ["0.450", "0.500"]
    assert text["PLCC without near-duplicates"].tolist() == ["\N{EN DASH}", "0.700"]
    assert "Near-duplicates: tested images that" in about_near(table)
    assert "near-duplicates" not in readable(table[1:])
    assert "No tested image is" in about_near(table[1:])


def test_published_results_are_complete_and_plausible() -> None:
    table = published()
    assert len(table) == 30 * 8
    assert table.duplicated(["method", "dataset"]).sum() == 0
    values = table[["srcc", "plcc"]].to_numpy()
    assert ((values > 0.5) & (values < 1) | np.isnan(values)).all()
    assert (table["srcc"].isna() == table["plcc"].isna()).all()


def test_readable_shows_what_tells_rows_apart(individual: Path, tmp_path: Path) -> None:
    alone = readable(summarise(read_metrics(individual)))
    assert alone.columns[:4].tolist() == ["dataset", "labels", "images", "splits"]
    assert alone.loc[0, "images"] == "190\N{EN DASH}210"
    assert alone.loc[0, "SRCC"] == "0.500, 0.800, 0.900"
    assert alone.loc[0, "published SRCC"] == "0.937"

    rows = [add(tmp_path, "e", test_dataset="csiq"), add(tmp_path, "e", test_dataset="live")]
    crossed = readable(summarise(read_metrics(listed(tmp_path, rows))))
    assert crossed.columns[:3].tolist() == ["trained on", "tested on", "labels"]
    assert "published SRCC" not in crossed
    assert crossed.loc[0, "SRCC"] == "0.500 [0.450, 0.910]"

    rows = [add(tmp_path, "e", distortion="blur"), add(tmp_path, "e", method="rim", seed=21)]
    parts = readable(summarise(read_metrics(listed(tmp_path, rows))))
    assert parts.columns[:3].tolist() == ["dataset", "distortion", "method"]

    rows = [add(tmp_path, "e"), add(tmp_path, "e", seed=21)]
    (seeds,) = readable(summarise(read_metrics(listed(tmp_path, rows)))).to_dict("records")
    assert (seeds["splits"], seeds["runs"]) == ("1", "2")


def test_negative_numbers_have_a_minus_sign(tmp_path: Path) -> None:
    rows = [add(tmp_path, "e", plcc=-0.25)]
    table = readable(summarise(read_metrics(listed(tmp_path, rows))))
    assert table.loc[0, "PLCC"] == "\N{MINUS SIGN}0.250"
    assert r"$-$0.250" in latex(table, "")


def test_pseudo_labels_are_named(tmp_path: Path) -> None:
    rows = [add(tmp_path, "individual", label_kind="pseudo-MOS (HaarPSI)")]
    table = summarise(read_metrics(listed(tmp_path, rows)))
    assert "pseudo-MOS (HaarPSI), computed, not given by people" in caption("individual", table)
    assert readable(table).loc[0, "labels"] == "pseudo-MOS (HaarPSI)"


def test_markdown_is_escaped_and_complete() -> None:
    table = pd.DataFrame({"data_set": ["a|b", "<i>"], "SRCC": ["0.9 ± 0.1", "[0.1]"]})
    assert markdown(table, "A *caption*").splitlines() == [
        r"A \*caption\*",
        "",
        r"| data\_set | SRCC |",
        "| --- | --- |",
        r"| a\|b | 0.9 ± 0.1 |",
        r"| \<i\> | \[0.1\] |",
    ]


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
    assert escape_latex("a \N{RIGHTWARDS ARROW} b, p < 1") == r"a $\rightarrow$ b, p $<$ 1"
    assert escape_latex("{~}#$") == r"\{\textasciitilde{}\}\#\$"


def test_command_writes_one_table_per_experiment(tmp_path: Path) -> None:
    rows = [add(tmp_path, "individual", split=split) for split in SRCC]
    rows += [add(tmp_path, "my_own", test_dataset="csiq", split="whole")]
    output = tmp_path / "tables"
    assert main(["tabulate", str(listed(tmp_path, rows)), "--output-dir", str(output)]) == 0
    experiments = ["individual", "individual_paper", "my_own", "my_own_paper"]
    names = ["metrics.csv", "types_and_levels.csv"]
    for name in [*experiments, "significance"]:
        names += [f"{name}.{ending}" for ending in ("csv", "md", "tex")]
    assert sorted(path.name for path in output.iterdir()) == sorted(names)
    for name in ("individual_paper.md", "individual_paper.tex"):
        assert "MANIQA" in (output / name).read_text()
    assert "0.934" in (output / "individual_paper.csv").read_text()
    metrics = pd.read_csv(output / "metrics.csv")
    assert metrics["srcc"].tolist() == [0.5, 0.8, 0.9, 0.7]
    assert metrics["logistic_centre"].tolist() == [0.5] * 4
    assert metrics.columns[:9].tolist() == [
        *["experiment", "dataset", "distortion", "method", "split", "seed", "test_dataset", "run"],
        "label_kind",
    ]
    assert "No tested image is a near-duplicate" in (output / "my_own.md").read_text()
    assert pd.read_csv(output / "my_own.csv")["srcc_median"].tolist() == [0.7]
    assert "0.937" in (output / "individual.tex").read_text()


def test_missing_and_foreign_metrics_are_all_listed(individual: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kadid10k" / "all" / "slic"
    (folder / "split00" / "seed20" / "on-kadid10k.json").unlink()
    foreign = folder / "split01" / "seed20" / "on-kadid10k.json"
    foreign.write_text(foreign.read_text().replace("split01", "split07"))
    with pytest.raises(DpamError) as error:
        read_metrics(individual)
    assert "split00/seed20/on-kadid10k.json: no such file" in str(error.value)
    assert "split01/seed20/on-kadid10k.json: belongs to another run" in str(error.value)


def test_empty_list(individual: Path) -> None:
    individual.write_text(individual.read_text().splitlines()[0] + "\n")
    with pytest.raises(DpamError, match="found none"):
        read_metrics(individual)


def test_a_number_that_no_split_has_is_one_dash():
    row = {"srcc_each": "nan nan", "plcc_each": "nan 0.5"}
    assert over_splits(row, "srcc") == "\N{EN DASH}"
    assert over_splits(row, "plcc") == "\N{EN DASH}, 0.500"
