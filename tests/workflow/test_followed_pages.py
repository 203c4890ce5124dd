"""README and docs, followed to the letter on small data; pages.py lists what cannot run here."""

import re
import shutil
from copy import copy

import miniatures
import openpyxl
import pandas as pd
import pytest
import yaml
from checkout import TOP, Checkout
from following import follow, succeed
from pages import blocks_in
from samples import save_network

from dpam.demo.photographs import PHOTOGRAPHS, load

pytestmark = pytest.mark.tutorial
PAPER = ["live", "csiq", "tid2013", "kadid10k", "livec", "koniq10k", "spaq"]
IMAGES = "import torch\nimages = torch.rand(2, 3, 64, 64, requires_grad=True)"
NETWORK = {
    "image_size": 64,
    "model": {"backbone": "test_vit", "pretrained": False, "out_indices": [5], "embed_dim": 16},
    "training": {"epochs": 1, "batch_size": 4, "learning_rate": 1e-3, "watch_test": False},
}


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.fixture
def after_demo(finished, tmp_path):
    """A copy of the checkout in which the demonstration, made small, has finished."""
    copied = copy(finished)
    copied.folder = shutil.copytree(finished.folder, tmp_path / "copied")
    return copied


def take(folder, names):
    """Crops of 128 x 96 pixels of photographs that packages ship, all different."""
    for number, name in enumerate(names):
        turn, which = divmod(number, 8)
        x, y = turn % 3 * 130, turn // 3 * 100
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        load(PHOTOGRAPHS[which]).crop((x, y, x + 128, y + 96)).save(folder / name)


def lay_paper(checkout):
    """Some images each of the paper's datasets, and a file in place of AINet's weights."""
    for name in PAPER:
        getattr(miniatures, name)(checkout.folder / "data" / name)
    (checkout.folder / "stand_in.safetensors").touch()
    file = checkout.folder / "config.yaml"
    text = file.read_text()
    assert "\n  ainet: null\n" in text
    file.write_text(text.replace("\n  ainet: null\n", "\n  ainet: stand_in.safetensors\n"))


def lay_holiday(checkout, count=40):
    """The dataset of own_dataset.md."""
    names = ["beach.jpg", "harbour (2).jpg", *(f"day {n % 3}/{n}.jpg" for n in range(2, count))]
    take(checkout.folder / "data/holiday/photos", names)
    rows = [f"{name.split('/')[-1]},{1 + number % 9 / 2}" for number, name in enumerate(names)]
    (checkout.folder / "data/holiday/labels.csv").write_text("\n".join(["image,label", *rows]))


def jobs(said):
    """How many jobs of each rule a dry run would do."""
    table = said.partition("Job stats:")[2].partition("\n\n")[0]
    return {rule: int(count) for rule, count in re.findall(r"(?m)^(\w+) +(\d+)$", table)}


def rows(said):
    """The table of scores that a command printed."""
    lines = said[said.index("image,score") :].splitlines()
    return [line.split(",") for line in lines[1:] if line.count(",") == lines[0].count(",")]


def agree_on_the_photograph(page, said, python):
    """Page, command and Python say the same."""
    text = (TOP / page).read_text(encoding="utf-8")
    told = re.search(r"judge_60.jpg: (\d+), likely between (\d+) and (\d+)", text).groups()
    ((_, score, of_100, _, low, high),) = rows(said["dpam predict photo.jpg"])
    assert [float(number) for number in (of_100, low, high)] == pytest.approx(
        [float(number) for number in told], abs=1
    )
    (answer,) = (words for shown, words in said.items() if python in shown)
    assert float(answer.split()[0]) == pytest.approx(float(score), abs=1e-3)


def test_readme(after_demo):
    shutil.copy(TOP / "Makefile", after_demo.folder)
    lay_paper(after_demo)
    lay_holiday(after_demo)
    shutil.copy(TOP / "docs/images/judge_60.jpg", after_demo.folder / "photo.jpg")
    take(after_demo.folder / "photos", ["a.jpg", "deep/b.jpg"])
    said = follow(after_demo, "README.md", python=IMAGES)
    agree_on_the_photograph("README.md", said, "print(dpam.load()")
    assert len(pd.read_csv(after_demo.folder / "scores.csv")) == 2
    for made in ("photos.html", "results/data/holiday/slic.h5"):
        assert (after_demo.folder / made).exists()
    assert len(list((after_demo.folder / "maps").iterdir())) == 1
    assert "The report: " in said["make demo"]
    assert set(PAPER) <= set(said["dpam datasets"].split())
    assert jobs(said["snakemake -n"])["train"] == 121


def test_score_a_folder(checkout):
    shutil.copy(TOP / "docs/images/judge_60.jpg", checkout.folder / "photo.jpg")
    take(checkout.folder, ["other.png", "photos/a.jpg", "photos/b.jpg", "photos/deep/c.jpg"])
    save_network(checkout.folder / "model.safetensors")
    (checkout.folder / "mos.csv").write_text("image,label\na.jpg,0.8\nb.jpg,0.6\n")
    said = follow(checkout, "docs/score_a_folder.md", python=IMAGES)
    agree_on_the_photograph("docs/score_a_folder.md", said, "print(model.score")
    assert len(pd.read_csv(checkout.folder / "scores.csv")) == 3
    assert len(rows(said["dpam predict -r photos/ --top 20"])) == 3
    for made in ("scores.csv.json", "photos.html", "plot.svg", "judge.onnx"):
        assert (checkout.folder / made).stat().st_size > 100
    assert "BIQ2021" in said["dpam info"]
    for measure in ("SRCC", "PLCC", "KRCC", "RMSE"):
        assert measure in said["dpam predict photos/ --labels mos.csv --scatter plot.svg"]


def test_own_dataset(checkout):
    lay_holiday(checkout)
    take(checkout.folder / "more", ["a.jpg", "b.jpg"])
    (checkout.folder / "short.yaml").write_text("training: {epochs: 1}\n")
    said = follow(checkout, "docs/own_dataset.md")
    assert jobs(said["snakemake -n --configfile my.yaml"])["train"] == 3
    assert (checkout.folder / "holiday.png").exists()
    adapted = next(text for line, text in said.items() if line.startswith("dpam adapt"))
    assert "40 photographs of " in adapted
    table = pd.read_csv(checkout.folder / "results/tables/individual.csv")
    assert "none" in set(table["method"])
    scored = [rows(text) for line, text in said.items() if "-r more/" in line]
    assert [len(table) for table in scored] == [2, 2]  # by the adapted judge, and the fine-tuned
    assert "SRCC" in next(text for line, text in said.items() if "-r data/holiday" in line)


def test_reproduce(after_demo):
    shutil.copy(TOP / "Makefile", after_demo.folder)
    lay_paper(after_demo)
    said = follow(after_demo, "docs/reproduce.md")
    assert jobs(said["snakemake -n"])["train"] == 121
    assert jobs(said["snakemake -n --configfile my.yaml"])["train"] == 1
    for made in ("ainet.safetensors", "report.zip"):
        assert (after_demo.folder / made).exists()


def test_variants(checkout):
    names = [f"{number}.jpg" for number in range(30)]
    take(checkout.folder / "data/koniq10k/1024x768", names)
    lines = [f'"{name}",0,1,2,3,4,10,{1 + n % 9 / 2},0.5,8' for n, name in enumerate(names)]
    heads = '"image_name",c1,c2,c3,c4,c5,c_total,MOS,SD,MOS_zscore'
    table = checkout.folder / "data/koniq10k/koniq10k_scores_and_distributions.csv"
    table.write_text("\n".join([heads, *lines]))
    page = "docs/variants.md"
    block = yaml.safe_load(blocks_in("yaml", page)[0])["experiments"][0] | {"splits": ["split00"]}
    allow = {"koniq10k": ["wrong_count", "odd_size"]}
    small = {**NETWORK, "allow": allow, "experiments": [block]}
    (checkout.folder / "small.yaml").write_text(yaml.safe_dump(small))
    said = follow(checkout, page)
    planned = jobs(said["snakemake -n --configfile mine.yaml"])
    shown = {"train": 20, "pack_superpixels": 2, "normalise_labels": 1, "draw_splits": 1}
    assert {rule: planned[rule] for rule in shown} == shown
    for line in blocks_in("", page)[0].splitlines():
        assert (checkout.folder / line.split()[0]).exists()
    made = (checkout.folder / "results/tables/ablation_variants.md").read_text()
    (heads,) = re.findall(r"^\| dataset .*", (TOP / page).read_text(), re.MULTILINE)
    assert heads.removesuffix(" p |") in made  # of one split there is no test


def test_several_datasets(after_demo):
    lay_paper(after_demo)
    for folder, name in {"a": "demo_synthetic", "b": "demo_authentic"}.items():
        shutil.copytree(after_demo.folder / f"results/demo/data/{name}", after_demo.folder / folder)
    settings = {key: NETWORK[key] for key in ("model", "training")}
    (after_demo.folder / "run.yaml").write_text(yaml.safe_dump(settings))
    said = follow(after_demo, "docs/several_datasets.md")
    assert jobs(said["snakemake -n --configfile mine.yaml"])["train"] == 12
    tested = pd.read_csv(after_demo.folder / "on-b.csv")
    splits = pd.read_csv(after_demo.folder / "b/splits.csv").query("split00 == 'test'")
    assert set(tested.query("subset == 'test'")["image"]) == set(splits["image"])
    assert tested["prediction"].between(0, 1).all()


def test_cluster(checkout):
    lay_paper(checkout)
    take(checkout.folder, ["a.jpg", "b.jpg"])
    (checkout.folder / "photographs.txt").write_text("a.jpg\nb.jpg\nmissing.jpg\n")
    said = follow(checkout, "docs/cluster.md")
    shown = " ".join((TOP / "docs/cluster.md").read_text().split())
    (row,) = re.findall(r"(?m)^total .*", said["snakemake estimate"])
    total, cores, gpus, disk = (float(number) for number in re.findall(r"[\d.]+", row))
    assert f"comes to {total:.0f} jobs, about {round(gpus, -2):.0f} GPU-hours" in shown
    assert f"{cores:.0f} core-hours, and {disk:.0f} GB" in shown
    scores = pd.read_parquet(checkout.folder / "results/score/photographs/scores.parquet")
    assert scores["image"].tolist() == ["a.jpg", "b.jpg", "missing.jpg"]
    assert scores["score_100"].notna().tolist() == [True, True, False]
    assert all(f"`{column}`" in shown for column in scores)


def test_add_superpixel_method(checkout):
    # Smaller than the page's, and without the judge's network; the page itself is not changed.
    shutil.copy(TOP / "tests/workflow/tiny.yaml", checkout.folder)
    take(checkout.folder, ["photograph.jpg"])
    follow(checkout, "docs/add_superpixel_method.md")
    assert (checkout.folder / "photograph-squares.png").exists()
    report = (checkout.folder / "results/demo/report/index.html").read_text(encoding="utf-8")
    assert "DPAM, SLIC" in report
    assert "DPAM, squares" in report


def test_add_dataset(checkout):
    follow(checkout, "docs/add_dataset.md")
    file = checkout.folder / "dpam/datasets/__init__.py"
    text = "from dpam.datasets.holiday import HOLIDAY\n" + file.read_text()
    file.write_text(text.replace("        SPAQ,\n", "        SPAQ,\n        HOLIDAY,\n"))
    names = [f"{number}.jpg" for number in range(6)]
    take(checkout.folder / "data/holiday/photos", names)
    book = openpyxl.Workbook()
    for row in (["photo", "vote"], *([name, 1 + number / 2] for number, name in enumerate(names))):
        book.active.append(row)
    book.save(checkout.folder / "data/holiday/votes.xlsx")
    said = succeed(checkout, "dpam datasets holiday")
    assert "Holiday" in said
    blocks = [{"name": "individual", "datasets": ["holiday"], "test_on": "self"}]
    allow = {"holiday": ["wrong_count", "odd_size"]}
    (checkout.folder / "my.yaml").write_text(
        yaml.safe_dump({"experiments": blocks, "allow": allow})
    )
    succeed(checkout, "snakemake results/data/holiday/labels.csv --configfile my.yaml")
    labels = pd.read_csv(checkout.folder / "results/data/holiday/labels.csv")
    assert labels["label"].tolist() == [number / 8 for number in range(6)]


def test_superpixels(checkout):
    take(checkout.folder, ["photograph.jpg", *(f"photographs/{n}.jpg" for n in range(4))])
    said = follow(checkout, "docs/superpixels.md")
    assert len([text for text in said.values() if "superpixels" in text]) >= 3
    for method in ("slic", "rim", "ainet"):
        assert (checkout.folder / f"photograph-{method}.png").exists()


def test_reruns(checkout):
    lay_paper(checkout)
    (checkout.folder / "my.yaml").write_text(
        "experiments: [{name: a, datasets: [csiq], test_on: self}]\n"
    )
    said = follow(checkout, "docs/reruns.md")
    whole, mine = (jobs(text) for text in said.values())
    assert f"| {whole['total']} |" in (TOP / "docs/reruns.md").read_text()
    assert mine["train"] == 1
    assert all("reason: Missing output files" in text for text in said.values())
