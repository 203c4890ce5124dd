"""The whole pipeline runs, and says what is wrong where it cannot."""

import json
import shutil
import zipfile
from copy import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from browser import NEEDS_CHROMIUM, SRCC_ENDS, Browser
from checkout import CONFIGURATION, Checkout
from miniatures import write_image, write_text
from PIL import Image
from safetensors import safe_open
from samples import photograph

PRESET = "workflow/presets/ablation.yaml"
PLACES = {"results": "", "logs": "/logs", "benchmarks": "/benchmarks"}
pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("pipeline")]


def test_everything_is_made_and_says_that_labels_are_pseudo(finished):
    results = finished.folder / "results/demo"
    run = results / "runs/demo_synthetic/all/slic/split00/seed20"
    for file in ("model.safetensors", "history.csv", "model.tensorboard"):
        assert (run / file).exists()
    assert not (run / "model.progress.pt").exists()
    score = json.loads((run / "on-demo_authentic.json").read_text())
    assert score["label_kind"].startswith("pseudo-MOS")
    assert score["n"] > 2
    for baseline in ("brisque_svr", "vit_ridge"):
        run = results / f"runs/demo_synthetic/all/{baseline}/split00/seed20"
        assert sorted(file.name for file in run.iterdir()) == [
            "on-demo_synthetic.csv",
            "on-demo_synthetic.json",
        ]
    page = (results / "report/index.html").read_text()
    assert "BRISQUE features, SVR" in page
    assert "pseudo-MOS" in page
    assert "report is partial" not in page
    assert list(results.rglob("*.part*")) == []


@NEEDS_CHROMIUM
def test_its_page_is_short_and_a_phone_shows_each_srcc(finished):
    page = (finished.folder / "results/demo/report/index.html").as_uri()
    with Browser() as browser:
        for width, longest in ((1400, 6000), (390, 9000)):
            browser.open(page, width)
            assert browser.run("document.documentElement.scrollHeight") < longest
            ends = browser.run(SRCC_ENDS)
            assert len(ends) == 4
            assert all(0 < end < width for end in ends), ends


def test_both_selections_of_a_run_are_tested_and_stand_apart(finished):
    results = finished.folder / "results/demo"
    scores = pd.read_csv(results / "tables/metrics.csv")
    networks = scores[scores["method"] == "slic"]
    on_test = networks["run"].str.endswith("/test_selected")
    assert on_test.sum() == (~on_test).sum()
    assert (networks["selection"] == "test").equals(on_test)
    for run, rows in networks[on_test].groupby("run"):
        history = pd.read_csv(finished.folder / run / "../history.csv").set_index("epoch")
        kept = history["test_selected"].idxmax()
        assert kept == (history["test_srcc"] + history["test_plcc"]).idxmax()
        if run.startswith("results/demo/runs/demo_synthetic/"):  # others: one photograph, undefined
            own = rows[rows["dataset"] == rows["test_dataset"]]
            assert own["validation_srcc"].notna().all()
    page = (results / "report/index.html").read_text()
    assert "epoch selected on" in page


def test_variants_stand_beside_base(finished):
    tables = finished.folder / "results/demo/tables"
    table = pd.read_csv(tables / "own_variants.csv")
    assert table["variant"].tolist() == ["base", "blind"]
    assert (tables / "own_variants.tex").exists()
    assert not (tables / "individual_variants.csv").exists()
    assert sorted(path.name for path in (tables / "../data/mine").glob("*.h5")) == ["slic.h5"]
    page = (tables / "../report/index.html").read_text()
    assert "own_variants.csv" in page
    assert "DPAM, SLIC, blind" in page


@pytest.mark.tutorial
def test_the_ablation_s_preset_trains_each_variant_on_what_is_there(finished, tmp_path):
    """On the demonstration's data: one epoch of a small network each, on packs that are there."""
    checkout = copy(finished)
    checkout.folder = shutil.copytree(finished.folder, tmp_path / "copied")
    small = {
        "pathvars": {name: f"results/demo{end}" for name, end in PLACES.items()},
        "experiments": [{"name": "ablation", "datasets": ["demo_synthetic"], "test_on": "self"}],
        "image_size": 64,
        "model": {"backbone": "test_vit", "out_indices": [5], "embed_dim": 16},
        "training": {"epochs": 1, "batch_size": 4, "precision": "float32"},
    }
    preset = yaml.safe_load((checkout.folder / PRESET).read_text())
    variants = preset["experiments"][0]["variants"]
    assert variants == ["base", *preset["variants"]]
    small["experiments"][0]["variants"] = variants
    (checkout.folder / "small.yaml").write_text(yaml.safe_dump(small))
    target = "results/demo/tables/ablation_variants.csv"
    answer = checkout.snakemake(target, "--configfile", *CONFIGURATION, PRESET, "small.yaml")
    assert answer.returncode == 0, answer.stderr
    assert "pack_superpixels" not in answer.stderr
    table = pd.read_csv(checkout.folder / target)
    assert table["variant"].tolist() == variants
    runs = checkout.folder / "results/demo/runs/demo_synthetic/all"
    settings, found = [], []
    for name in ["slic", *(f"slic+{name}" for name in variants[1:])]:
        run = runs / name / "split00/seed20"
        with safe_open(run / "model.safetensors", framework="numpy") as file:
            header = file.metadata()
        network, training = (json.loads(header[key]) for key in ("settings", "metadata"))
        settings.append(
            (network.get("texture"), network.get("superpixels"), training["training"]["loss"])
        )
        found.append(json.loads((run / "on-demo_synthetic.json").read_text())["srcc"])
    assert settings == [
        (None, None, "mse"),
        ("constant", None, "mse"),
        (None, "constant", "mse"),
        ("constant", "constant", "mse"),
        (None, None, "rank"),
    ]
    np.testing.assert_allclose(table["srcc_difference"][1:], np.array(found[1:]) - found[0])


@pytest.mark.tutorial
def test_one_network_learns_two_datasets_and_is_tested_on_each(finished, tmp_path):
    checkout = copy(finished)
    checkout.folder = shutil.copytree(finished.folder, tmp_path / "copied")
    names, both = ["demo_synthetic", "demo_authentic"], "demo_synthetic+demo_authentic"
    blocks = [{"name": "union", "train_on": names, "test_on": "self"}]
    changes = {"experiments": blocks, "training": {"watch_test": False}}
    (checkout.folder / "union.yaml").write_text(yaml.safe_dump(changes))
    answer = checkout.snakemake("--configfile", *CONFIGURATION, "union.yaml")
    assert answer.returncode == 0, answer.stderr
    assert "pack_superpixels" not in answer.stderr

    results = checkout.folder / "results/demo"
    run = results / f"runs/{both}/all/slic/split00/seed20"
    with safe_open(run / "model.safetensors", framework="numpy") as file:
        trained = json.loads(file.metadata()["metadata"])
        assert file.get_tensor("scales.offset").shape == (1,)
    history = pd.read_csv(run / "history.csv")
    each = history[[f"train_srcc_{name}" for name in names]]
    np.testing.assert_allclose(history["train_srcc"], each.mean(axis=1))
    splits = pd.read_csv(results / f"data/{both}/splits.csv")
    for name in names:
        own = splits[splits["image"].str.startswith(f"{name}/")]
        assert trained["left_out"][name] == (own["split00"] == "left_out").sum()
        alone = pd.read_csv(results / f"data/{name}/splits.csv")
        tested = pd.read_csv(run / f"on-{name}.csv")
        tested = tested["image"][tested["subset"] == "test"]
        assert set(tested) == set(alone["image"][alone["split00"] == "test"])
    table = pd.read_csv(results / "tables/union.csv").query("method == 'slic'")
    assert table[["dataset", "test_dataset"]].to_numpy().tolist() == [
        [both, name] for name in names
    ]
    assert r"demo\_synthetic + demo\_authentic" in (results / "tables/union.tex").read_text()
    page = (results / "report/index.html").read_text()
    assert "demo_synthetic + demo_authentic" in page
    assert "left out of training" in page
    again = checkout.snakemake("-n", "--configfile", *CONFIGURATION, "union.yaml")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_no_photograph_is_on_two_sides_nor_met_again_on_the_other_dataset(finished):
    data = finished.folder / "results/demo/data"
    sides = {}
    for dataset in ("demo_synthetic", "demo_authentic"):
        labels = pd.read_csv(data / dataset / "labels.csv", keep_default_na=False)
        splits = pd.read_csv(data / dataset / "splits.csv")
        joined = labels.merge(splits, on="image", validate="1:1")
        for name, part in (
            joined[["reference", "split00"]].drop_duplicates().itertuples(index=False)
        ):
            assert sides.setdefault(name, part) == part
    assert set(sides.values()) == {"train", "validation", "test"}


def test_a_second_run_has_nothing_to_do(finished):
    answer = finished.snakemake("--configfile", *CONFIGURATION)
    assert answer.returncode == 0
    assert "Nothing to be done" in answer.stdout + answer.stderr


def test_the_configuration_stands_beside_the_report_with_all_defaults(finished):
    report = finished.folder / "results/demo/report"
    mine, released = (
        yaml.safe_load((report / f"{name}.yaml").read_text())
        for name in ("configuration", "as_released")
    )
    assert mine.keys() == released.keys()
    assert mine["custom"].keys() == {"mine"}
    assert released["training"]["watch_test"] is True
    assert "split00" in (report / "index.html").read_text()


def test_snakemakes_own_report_carries_the_page_and_the_figures(finished):
    answer = finished.snakemake("--report", "report.zip", "--configfile", *CONFIGURATION)
    assert answer.returncode == 0, answer.stderr
    with zipfile.ZipFile(finished.folder / "report.zip") as archive:
        names = [Path(name).name for name in archive.namelist()]
    for name in ("training_curves", "scatter", "examples", "quality_maps", "distortion_types"):
        assert {f"{name}.svg", f"{name}.pdf"} <= set(names)
    assert "index.html" in names


def test_a_report_of_what_is_finished(finished):
    score = finished.folder / (
        "results/demo/runs/demo_synthetic/all/slic/split00/seed20/on-demo_authentic.json"
    )
    score.rename(score.with_suffix(".kept"))
    try:
        answer = finished.snakemake(
            "-n", "--config", "finished_only=True", "--configfile", *CONFIGURATION
        )
    finally:
        score.with_suffix(".kept").rename(score)
    assert answer.returncode == 0, answer.stderr
    planned = answer.stdout.partition("Job stats:")[2]
    assert {"tabulate", "plot", "report"} <= set(planned.split())
    assert {"train", "test", "evaluate"}.isdisjoint(planned.split())


def test_beside_a_report_of_what_is_finished_nothing_begins(finished):
    """Settings changed, and a run that is being trained anew has no weights for a while."""
    weights = finished.folder / "results/demo/runs/mine/all/slic/split00/seed20/model.safetensors"
    weights.rename(weights.with_suffix(".kept"))
    try:
        with finished.tiny_with("epochs: 2", "epochs: 3"):
            assert "train" in {job.rule for job in finished.planned()}
            jobs = finished.planned("--config", "finished_only=True")
    finally:
        weights.with_suffix(".kept").rename(weights)
    assert {job.rule for job in jobs} == {"list_runs", "tabulate", "plot", "report"}
    read = next(job for job in jobs if job.rule == "report").inputs
    assert not any("/mine/all/slic/" in path for path in read)
    assert any("/mine/all/slic+blind/" in path for path in read)


@pytest.mark.parametrize(
    ("setting", "file"),
    [
        ("start:\n  weights: some.bin", "some.bin"),
        ("start: some.bin", "some.bin"),
        # Not by where the repository lies: where it is moved, nothing runs again.
        ("start: judge", "dpam/weights/judge.safetensors"),
    ],
)
def test_what_a_backbone_begins_with_is_a_file_that_jobs_read(finished, setting, file):
    some = finished.folder / "some.bin"
    some.touch()
    try:
        with finished.tiny_with("  start:\n", f"  {setting}\n"):
            jobs = finished.planned()
    finally:
        some.unlink()
    assert {job.rule for job in jobs if file in job.inputs} == {"train", "extract_vit"}


def test_without_data_the_paper_s_experiment_says_what_is_missing(tmp_path):
    checkout = Checkout(tmp_path)
    answer = checkout.snakemake("-n")
    assert answer.returncode != 0
    for title in ("LIVE", "CSIQ", "TID2013", "KADID-10k", "KonIQ-10k", "SPAQ"):
        assert title in answer.stderr
    for key in yaml.safe_load((tmp_path / "config.yaml").read_text())["experiments"][0]["datasets"]:
        assert f"data/{key}" in answer.stderr
    assert answer.stderr.count("http") >= 7
    assert "Traceback" not in answer.stderr
    assert "MissingInputException" not in answer.stderr


def test_it_runs_from_another_folder(tmp_path):
    (tmp_path / "repository").mkdir()
    (tmp_path / "elsewhere").mkdir()
    checkout = Checkout(tmp_path / "repository")
    options = ["--snakefile", "../repository/Snakefile"]
    here = ["--configfile", "../repository/workflow/presets/demo.yaml"]
    answer = checkout.run(
        "snakemake", *options, "results/demo/runs.csv", *here, folder=tmp_path / "elsewhere"
    )
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "elsewhere/results/demo/runs.csv").exists()
    assert not (tmp_path / "repository/results").exists()


def test_a_dataset_whose_key_begins_as_the_demonstration_s_is_left_alone(tmp_path):
    checkout = Checkout(tmp_path)
    folder = tmp_path / "data/demo_mine"
    for number in range(6):
        write_image(folder / f"{number}.png", number)
    write_text(folder / "scores.csv", "image,label", *(f"{n}.png,{n}" for n in range(6)))
    (tmp_path / "mine.yaml").write_text(
        "custom:\n  demo_mine: {labels: scores.csv, score_range: [0, 5], higher_is_better: true}\n"
        "experiments: [{name: a, datasets: [demo_mine], test_on: self}]\n"
        "training: {batch_size: 2}\n"
    )
    before = {path: path.read_bytes() for path in folder.iterdir()}
    target = "results/data/demo_mine/splits.csv"
    answer = checkout.snakemake("--cores", "2", target, "--configfile", "mine.yaml")
    assert answer.returncode == 0, answer.stderr
    assert "make_demo_data" not in answer.stderr
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_an_estimate_leaves_the_list_of_what_was_run(finished):
    scores = finished.folder / "results/demo/runs.csv"
    before = scores.read_bytes(), scores.stat().st_mtime_ns
    other = "experiments: [{name: other, datasets: [demo_authentic], test_on: self}]\n"
    (finished.folder / "more.yaml").write_text(other)
    answer = finished.snakemake("estimate", "--configfile", *CONFIGURATION, "more.yaml")
    assert answer.returncode == 0, answer.stderr
    assert (scores.read_bytes(), scores.stat().st_mtime_ns) == before
    planned = finished.folder / "results/demo/tables/planned.csv"
    assert set(pd.read_csv(planned)["experiment"]) == {"other"}
    for made in (planned, planned.with_name("estimate.csv"), finished.folder / "more.yaml"):
        made.unlink()


def test_downloads_are_a_target_of_their_own(tmp_path):
    answer = Checkout(tmp_path).snakemake("-n", "-p", "download")
    assert answer.returncode == 0, answer.stderr
    assert "dpam download live csiq tid2013 kadid10k livec koniq10k spaq --roots" in answer.stdout


def test_a_dataset_of_ones_own_lies_like_the_others(tmp_path):
    checkout = Checkout(tmp_path)
    folder = tmp_path / "data/mine"
    folder.mkdir(parents=True)
    lines = ["image,label,split"]
    for number in range(6):
        write_image(tmp_path / f"packed/{number}.png", number)
        lines.append(f"{number}.png,{number},{'train' if number < 4 else 'test'}")
    write_text(folder / "scores.csv", *lines)
    shutil.make_archive(str(folder / "photos"), "zip", tmp_path / "packed")
    (tmp_path / "mine.yaml").write_text(
        "custom:\n  mine: {labels: scores.csv, images: photos, score_range: [0, 5], "
        "higher_is_better: true}\n"
        "experiments: [{name: a, datasets: [mine], splits: [official], test_on: self}]\n"
        "allow: {mine: [odd_size]}\n"
    )
    target = "results/data/mine/splits.csv"
    answer = checkout.snakemake("--cores", "2", target, "--configfile", "mine.yaml")
    assert answer.returncode == 0, answer.stderr
    official = pd.read_csv(tmp_path / target)["official"]
    assert (folder / "photos/5.png").exists()
    assert sorted(official) == ["test", "test", "train", "train", "train", "validation"]
    again = checkout.snakemake("-n", target, "--configfile", "mine.yaml")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_the_plain_head_from_photographs_to_numbers(tmp_path):
    """Images kept in full, crops, degraded copies; the test set out of reach of training."""
    checkout = Checkout(tmp_path)
    lines = ["image,label,split"]
    for number in range(12):
        image = Image.fromarray(photograph(number))
        (tmp_path / "data/mine").mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / f"data/mine/{number}.png")
        lines.append(f"{number}.png,{number},{'train' if number < 8 else 'test'}")
    write_text(tmp_path / "data/mine/scores.csv", *lines)
    (tmp_path / "mine.yaml").write_text(
        "custom: {mine: {labels: scores.csv, score_range: [0, 11], higher_is_better: true}}\n"
        "experiments: [{name: a, datasets: [mine], methods: [none], splits: [official], "
        "test_on: self}]\n"
        "image_size: 64\nstored_side: 72\nresize: antialias\n"
        "model: {network: pooled, backbone: test_vit, pretrained: false, out_indices: [1, 3]}\n"
        "training: {epochs: 1, batch_size: 4, learning_rate: 1e-4, crop: 0.5, degraded: 0.3, "
        "watch_test: false}\n"
    )
    target = "results/figures/quality_maps.svg"
    answer = checkout.snakemake("--cores", "2", target, "--configfile", "mine.yaml")
    assert answer.returncode == 0, answer.stderr
    run = tmp_path / "results/runs/mine/all/none/official/seed20"
    found = json.loads((run / "on-mine.json").read_text())
    assert (found["n"], found["selection"]) == (4, "last epoch")
    assert not (run / "test_selected").exists()
    assert "test_srcc" in pd.read_csv(run / "history.csv")
    assert pd.read_csv(run / "history.csv")["test_srcc"].isna().all()
    assert "quality lost, 0 to" in (tmp_path / target).read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate: 0.1", "unknown key learning_rate; known: "),
        ("training: {epochs: 0}", "training.epochs: 0 is less than the minimum of 1"),
        (
            "experiments: [{name: a, datasets: [livee], test_on: self}]",
            "livee: no such dataset; known are ",
        ),
        (
            "experiments: [{name: a, datasets: [csiq], distortions: [jpg], test_on: self}]",
            "csiq has no distortion type jpg; it has white_noise, jpeg, jpeg2000, pink_noise, "
            "gaussian_blur, contrast_change",
        ),
        (
            "experiments: [{name: a, datasets: [koniq10k, spaq], splits: [official], "
            "test_on: self}]",
            "spaq: no official split; take split00 to split09 or authors",
        ),
        ("image_size: 100", "image_size: expected a multiple of 14, the patches of vit_small"),
        (
            "model: {out_indices: [2, 12]}",
            "model: out_indices [2, 12]: expected ascending indices of",
        ),
        ("allow: {live: [odd_sizes]}", "allow.live.0: 'odd_sizes' does not match"),
        ("views: 1\nviews: 4", "mine.yaml: expected each key once, found again views (line 2)"),
        (
            "model: {network: pooled}",
            "model.network pooled: it does not read packs of the method slic; pooled needs",
        ),
    ],
)
def test_a_wrong_configuration_ends_in_one_clear_line(tmp_path, text, message):
    checkout = Checkout(tmp_path)
    (tmp_path / "mine.yaml").write_text(text)
    answer = checkout.snakemake("-n", "--configfile", "workflow/presets/demo.yaml", "mine.yaml")
    assert answer.returncode != 0
    assert [line for line in answer.stderr.splitlines() if message in line]
    assert "Traceback" not in answer.stderr
