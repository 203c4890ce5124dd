"""Estimates: jobs are counted as Snakemake counts them, costs grow as they must."""

import itertools

import pandas as pd
import pytest

from dpam.cli import main
from dpam.datasets import find
from dpam.errors import DpamError
from dpam.experiments.resources import (
    ASSUMED_TFLOPS,
    COMPARE,
    START,
    Network,
    Plan,
    Size,
    estimate,
    jobs,
    size_of,
)

NETWORK = Network(gflop=274, parameters=172_000_000, epochs=200)
COLUMNS = ["experiment", "dataset", "distortion", "method", "split", "seed", "test_dataset", "run"]


def runs_table():
    names, rows = ["csiq", "kadid10k"], []
    for name, split, method in itertools.product(
        names, ["split00", "split01"], ["slic", "brisque_svr"]
    ):
        for folder in ["run", "run/test_selected"] if method == "slic" else ["run"]:
            rows.append(("individual", name, "all", method, split, 20, name, folder))
    rows += [("cross", a, "all", "slic", "whole", 20, b, "run") for a, b in (names, names[::-1])]
    rows.append(("again", "csiq", "all", "slic", "split00", 20, "csiq", "run"))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(pack=table["method"])


def sizes(**images):
    return {name: size_of(find(name), count, 224, 5) for name, count in images.items()}


def test_every_job_is_counted_once():
    plan = Plan(sizes(csiq=866, kadid10k=10_125), NETWORK)
    counts = pd.DataFrame(jobs(runs_table(), plan))["rule"].value_counts().to_dict()
    assert counts == {
        **dict.fromkeys(["verify_download", "normalise_labels", "draw_splits"], 2),
        "pack_superpixels": 2,
        "extract_brisque": 2,
        "train": 6,
        "test": 6,
        "test_test_selected": 4,
        "map_quality": 2,
        "train_baseline": 4,
        "evaluate": 10,
        "evaluate_test_selected": 4,
        "tabulate": 1,
        "plot": 1,
        "report": 1,
    }


def test_an_ensemble_trains_nothing():
    runs = runs_table()
    ensemble = {**runs.iloc[0], "method": "slic+ensemble", "seed": "20+21", "pack": "slic"}
    plan = Plan(sizes(csiq=866, kadid10k=10_125), NETWORK)
    counts = [
        pd.DataFrame(jobs(table, plan))["rule"].value_counts()
        for table in (runs, pd.concat([runs, pd.DataFrame([ensemble])]))
    ]
    more = (counts[1].sub(counts[0], fill_value=0)).astype(int)
    assert more[more != 0].to_dict() == {"average": 1, "evaluate": 1}


def test_one_network_on_several_datasets_trains_on_all_of_their_images_and_packs_no_more():
    names = ["csiq", "kadid10k"]
    rows = [("union", "csiq+kadid10k", "all", "slic", "split00", 20, name, "run") for name in names]
    alone = [("own", name, "all", "slic", "split00", 20, name, name) for name in names]
    tables = [pd.DataFrame(each, columns=COLUMNS).assign(pack="slic") for each in (rows, alone)]
    known = sizes(csiq=866, kadid10k=10_125)
    union, single = (
        estimate(table, known, NETWORK, ASSUMED_TFLOPS).set_index("rule") for table in tables
    )
    assert union["jobs"]["join_splits"] == 1
    assert union["jobs"]["pack_superpixels"] == 2
    assert union["jobs"]["train"] == 1
    for rule in ("train", "test"):
        assert union["gpu_hours"][rule] == pytest.approx(single["gpu_hours"][rule])


def test_gpu_hours_are_those_of_the_products_in_training():
    table = estimate(runs_table(), sizes(csiq=866, kadid10k=10_125), NETWORK, tflops=100)
    hours = table.set_index("rule")["gpu_hours"]
    seen = (866 + 10_125) * (2 * (0.7 * 3 + 0.3) + 3)  # two splits and once the whole
    assert hours["train"] == pytest.approx(seen * 200 * 274e9 / 100e12 / 3600)
    assert hours["evaluate"] == 0
    again = estimate(runs_table(), sizes(csiq=866, kadid10k=10_125), NETWORK, tflops=50)
    assert again["gpu_hours"].sum() == pytest.approx(2 * hours.sum())


def test_packs_take_the_space_that_was_measured():
    plan = Plan({"kadid10k": size_of(find("kadid10k"), 1000, 224, 5)}, NETWORK)
    cost = plan.cost("pack_superpixels", "kadid10k")
    assert cost.size == pytest.approx(0.59e9, rel=0.05)  # docs/performance.md
    assert cost.core_seconds == pytest.approx(24, rel=1)


def test_a_large_dataset_is_packed_by_several_jobs():
    known = sizes(csiq=866, kadid10k=10_125)
    whole, cut = (
        estimate(runs_table(), known, NETWORK, 100, most).set_index("rule")
        for most in (10_125, 2_000)
    )
    assert "pack_shard" not in whole.index
    assert cut.loc["pack_shard", "jobs"] == 6
    assert cut.loc["pack_superpixels", "jobs"] == 2
    packing = cut.loc[["pack_shard", "pack_superpixels"]].sum()
    assert packing["disk_gb"] == pytest.approx(whole.loc["pack_superpixels", "disk_gb"])
    assert packing["cpu_hours"] == pytest.approx(
        whole.loc["pack_superpixels", "cpu_hours"], abs=0.05
    )


def test_one_distortion_type_costs_its_share():
    plan = Plan({"tid2013": size_of(find("tid2013"), 3000, 224, 5)}, NETWORK)
    every, one = (plan.cost("train", "tid2013", part).gflop for part in ("all", "jpeg"))
    assert every == pytest.approx(24 * one)


def test_looking_for_near_duplicates_grows_with_the_pairs():
    million = Size(1_000_000, megapixels=1)
    plan = Plan({"photos": million, "distorted": million._replace(types=5)}, NETWORK)
    seconds = [plan.cost("verify_download", name).core_seconds for name in ("photos", "distorted")]
    assert seconds[0] - seconds[1] == pytest.approx(COMPARE * 5e11)
    assert plan.cost("evaluate", "photos").core_seconds == pytest.approx(START + COMPARE * 2.1e11)


def test_an_unknown_number_of_images_is_said():
    with pytest.raises(DpamError, match=r"(?s)the number of images is not known of.*kadid10k"):
        estimate(runs_table(), {"kadid10k": Size()}, NETWORK, 100)


def test_the_command_prints_a_table_and_its_assumption(tmp_path, capsys):
    table = runs_table().assign(run=str(tmp_path / "run"))
    table.to_csv(tmp_path / "runs.csv", index=False)
    network = ['--model={"backbone": "test_vit", "embed_dim": 16}', "--image-size", "64"]
    command = ["estimate", str(tmp_path / "runs.csv"), *network]
    assert main([*command, "--output", str(tmp_path / "estimate.csv")]) == 0
    said = capsys.readouterr().out
    assert f"{ASSUMED_TFLOPS:g} TFLOP/s of a GPU are assumed, not measured" in said
    assert "Without a GPU" in said
    written = pd.read_csv(tmp_path / "estimate.csv")
    assert list(written) == ["rule", "jobs", "cpu_hours", "gpu_hours", "disk_gb"]
    assert f"{'train':<18}{6:>8}" in said
    assert said.splitlines()[len(written) + 1].startswith("total")

    (tmp_path / "run").mkdir()
    (tmp_path / "run/history.csv").write_text("epoch,images_per_second\n1,10\n2,20\n3,30\n")
    assert main(command) == 0
    assert "20 images/s in 1 finished run, that is" in capsys.readouterr().out
    assert main([*command, "--tflops", "7"]) == 0
    assert "7 TFLOP/s as given" in capsys.readouterr().out
    assert main([*command, "--measure"]) == 0
    assert "TFLOP/s measured here" in capsys.readouterr().out
