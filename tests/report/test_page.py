"""The whole way from metrics to the page."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import fake_results
import numpy as np
import pandas as pd
import pytest
from fake_results import make_page

from dpam.cli import main
from dpam.commands.report import read_configuration
from dpam.errors import DpamError
from dpam.evaluation.formatting import readable, readable_types
from dpam.evaluation.tables import SETTING
from dpam.report import page as page_module
from dpam.report.results import without_constants
from dpam.report.runs import flatten, in_words
from dpam.report.table import read_table
from dpam.utils.progress import duration


class Reader(HTMLParser):
    """What a page refers to, its tags, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.files: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif tag == "a" and name == "href":
                self.links.append(value or "")
            elif name == "data-file":
                self.files.append(value or "")
            elif name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                self.loaded.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_needs_nothing_else(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    reader = Reader(html)
    assert reader.loaded
    assert all(address.startswith(("data:", "#")) for address in reader.loaded)
    assert reader.tags.count("script") == 1
    assert "http" not in html[html.index("<script>") :]
    style = html[html.index("<style>") : html.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style
    assert set(re.findall(r"url\(([^)])", html)) <= {"#"}


def test_names_inside_the_page_are_unique_and_lead_somewhere(page: Path) -> None:
    reader = Reader(page.read_text(encoding="utf-8"))
    assert len(reader.ids) == len(set(reader.ids))
    inside = [address for address in reader.loaded + reader.links if address.startswith("#")]
    assert {address[1:] for address in inside} <= set(reader.ids)


def test_names_of_files_lead_there_and_are_no_links_yet(page: Path) -> None:
    reader = Reader(page.read_text(encoding="utf-8"))
    assert all(address.startswith(("#", "https://")) for address in reader.links)
    files = [unquote(address) for address in reader.files]
    assert {Path(file).name for file in files} >= {
        *("individual.csv", "metrics.csv", "history.csv", "jobs.csv", "disk.csv"),
        *("types_and_levels.csv", "scatter.svg", "scatter.pdf", "verified.json"),
    }
    for file in files:
        assert (page.parent / file).is_file()


def test_page_holds_every_number(page: Path) -> None:
    text = Reader(page.read_text(encoding="utf-8")).text
    tables = page.parent.parent / "tables"
    for name in ("individual", "cross_dataset", "single_distortion"):
        for cell in readable(read_table(tables / f"{name}.csv", SETTING)).to_numpy().ravel():
            assert cell in text
    types = read_table(tables / "types_and_levels.csv", SETTING)
    for cell in readable_types(types).to_numpy().ravel():
        assert cell in text
    for value in pd.read_csv(tables / "metrics.csv")[["srcc", "krcc", "rmse"]].to_numpy().ravel():
        assert f"{value:.3f}" in text
    for expected in ["97.5", "81.5", "2 min 46 s", "1 min 30 s", "812", "training.learning_rate"]:
        assert expected in text


def test_page_says_what_was_reached_and_on_what(page: Path) -> None:
    text = " ".join(Reader(page.read_text(encoding="utf-8")).text.split())
    table = pd.read_csv(page.parent.parent / "tables" / "individual.csv")
    assert "on images that were not trained on" in text
    found = (
        "demo_a \N{RIGHTWARDS ARROW} demo_b 3 of 16; demo_b \N{RIGHTWARDS ARROW} demo_a 3 of 20."
    )
    assert f"Found, at most in a run: {found}" in text
    row = table[table["method"] == "slic"].iloc[0]
    assert "DPAM, SLIC: SRCC " in text
    assert row["splits"] == 2
    each = ", ".join(f"{float(srcc):.3f}" for srcc in row["srcc_each"].split())
    assert f"{row['srcc_median']:.3f} (demo_a, median of 2 splits: {each})" in text


def test_accepted_findings_are_named(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    reader = Reader(html)
    assert "Demonstration A: images/<one>.png: has a label but is not there" in reader.text
    assert html.count("[missing_image]") == 1
    assert "1,059" in reader.text
    assert "0123456789abcdef" in reader.text


def test_pseudo_labels_are_announced(page: Path, tmp_path: Path) -> None:
    assert "(pseudo-MOS (HaarPSI): demo_a, demo_b)" in page.read_text(encoding="utf-8")
    table = fake_results.labels("mine", 12).assign(label_kind="MOS")
    row = fake_results.add_run(tmp_path, "individual", "mine", table)
    pd.DataFrame([row]).to_csv(tmp_path / "runs.csv", index=False)
    fake_results.add_pack(tmp_path, "mine", "Mine", table)
    html = make_page(tmp_path).read_text(encoding="utf-8")
    text = Reader(html).text
    assert "pseudo-labels" not in text
    assert "Across datasets" not in text
    assert "Differences between methods" not in text
    assert "No benchmark files were found" in text
    assert "Quality maps" not in text


def test_page_is_accessible(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    tags = Reader(html).tags
    assert '<html lang="en">' in html
    assert tags.count("h1") == 1
    assert tags.count("table") == tags.count("caption") == 14
    assert tags.count("figure") == tags.count("figcaption") == tags.count("svg") == 7
    assert html.count('<th scope="col"') == tags.count("th") - html.count('<th scope="row"')
    assert all("alt=" in tag for tag in re.findall("<img[^>]+>", html))
    assert html.index('href="#content"') < html.index("<header")


def test_methods_are_compared_where_they_share_enough_splits(tmp_path: Path) -> None:
    table = fake_results.labels("mine", 30)
    rows = [
        fake_results.add_run(tmp_path, "e", "mine", table, split=f"split{i:02d}", method=method)
        for i in range(7)
        for method in ("slic", "rim")
    ]
    rows += [
        fake_results.add_run(tmp_path, "e", "other", table, method=method)
        for method in ("slic", "rim")
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    fake_results.add_pack(tmp_path, "mine", "Mine", table)
    text = " ".join(Reader(make_page(tmp_path).read_text(encoding="utf-8")).text.split())
    compared = pd.read_csv(tmp_path / "tables" / "significance.csv")
    assert f"{compared['p_holm'][0]:.3f} not shown" in text
    assert "not be tested: DPAM, SLIC and DPAM, RIM on other (e): 1." in text


def test_only_an_srcc_that_is_shown_to_be_better_is_bold(tmp_path: Path) -> None:
    table = fake_results.labels("mine", 60)
    noisy = table.assign(label=np.random.default_rng(1).permutation(table["label"]))
    rows = [
        fake_results.add_run(tmp_path, "e", "mine", tested, split=f"split{i:02d}", method=method)
        for i in range(4)
        for method, tested in (("slic", table), ("rim", noisy), ("brisque_svr", noisy))
    ]
    for row in rows:  # tested alike, but two of them predict something else
        file = Path(str(row["run"])) / "on-mine.json"
        score = json.loads(file.read_text())
        score["srcc"] -= 0.3 * (row["method"] != "slic")
        file.write_text(json.dumps(score))
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    fake_results.add_pack(tmp_path, "mine", "Mine", table)
    html = make_page(tmp_path).read_text(encoding="utf-8")
    summary = pd.read_csv(tmp_path / "tables" / "e.csv").set_index("method")
    best = f"{summary.loc['slic', 'srcc_median']:.3f}"
    assert (
        re.findall("<strong>([^<]+)</strong>", html[html.index('id="results-title"') :])
        == [f"{best} ± {summary.loc['slic', 'srcc_std']:.3f}"] * 2
    )  # in the table of the answer and in that of all metrics
    assert "In bold: an SRCC better than that of every other method" in html


def test_baselines_are_rows_without_a_training(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    text = " ".join(Reader(html).text.split())
    assert "4 networks and 1 baseline trained" in text
    assert "BRISQUE features, SVR" in text
    assert "brisque_svr/split00/seed20/on-demo_a.csv" in html
    assert "brisque_svr/split00/seed20/history.csv" not in html
    assert "be tested: DPAM, SLIC and BRISQUE features, SVR on demo_a (individual): 1." in text
    svg = (page.parent.parent / "figures" / "training_curves.svg").read_text(encoding="utf-8")
    assert "BRISQUE" not in svg


def test_hostile_names_are_text(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    table = fake_results.labels("mine", 12, image_name=hostile + "{:02d}.png")
    table = table.assign(label_kind=f"MOS {hostile}", distortion=hostile)
    rows = [
        fake_results.add_run(tmp_path, "individual", "mine", table),
        fake_results.add_run(tmp_path, "individual", "a&<b", table, test_dataset="mine"),
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    fake_results.add_pack(tmp_path, "mine", f"Mine {hostile} $x^$", table)
    reader = Reader(make_page(tmp_path).read_text(encoding="utf-8"))
    assert reader.tags.count("script") == 1
    assert reader.text.count(f"MOS {hostile}") > 3
    assert f"Mine {hostile} $x^$" in reader.text
    assert "a&<b \N{RIGHTWARDS ARROW} mine" in reader.text


def test_many_runs_are_summed_up(tmp_path: Path) -> None:
    table = fake_results.labels("mine", 12)
    types = [f"type{i:02d}" for i in range(45)]
    rows = [
        fake_results.add_run(tmp_path, "single", "mine", table, distortion=name) for name in types
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    fake_results.add_pack(tmp_path, "mine", "Mine", table)
    reader = Reader(make_page(tmp_path).read_text(encoding="utf-8"))
    text = " ".join(reader.text.split())
    scores = pd.read_csv(tmp_path / "tables" / "single.csv")["srcc_median"]
    assert f"SRCC {scores.min():.3f} (mine, type{scores.argmin():02d}; 95 %:" in text
    assert f" to {scores.max():.3f} (mine, type{scores.argmax():02d}; 95 %:" in text
    assert "21 more runs not shown" in text
    assert "21 more panels not shown" in text
    assert "details" in reader.tags
    assert "Show all 45 rows" in text


def test_first_splits_are_shown_before_second_ones(tmp_path: Path) -> None:
    table = fake_results.labels("mine", 12)
    rows = [
        fake_results.add_run(tmp_path, "e", dataset, table, split=f"split{i:02d}")
        for dataset in ("a", "b", "c")
        for i in range(10)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    fake_results.add_pack(tmp_path, "a", "A", table)
    figures = tmp_path / "figures"
    pack = str(tmp_path / "data" / "a" / "slic.h5")
    listed = str(tmp_path / "runs.csv")
    assert main(["plot", listed, "--packs", pack, "--output-dir", str(figures)]) == 0
    svg = (figures / "training_curves.svg").read_text(encoding="utf-8")
    assert re.findall(r">(\w), split07<", svg) == ["a", "b", "c"]
    assert "split08<" not in svg


def test_methods_of_a_dataset_are_shown_side_by_side(page: Path, tmp_path: Path) -> None:
    assert "Superpixels of each method" not in page.read_text(encoding="utf-8")
    listed = fake_results.build(tmp_path)
    table = fake_results.labels("demo_a", 60)
    fake_results.add_pack(tmp_path, "demo_a", "Demonstration A", table, "rim")
    row = fake_results.add_run(tmp_path, "superpixel_methods", "demo_a", table[:20], method="rim")
    pd.concat([pd.read_csv(listed), pd.DataFrame([row])]).to_csv(listed, index=False)
    html = make_page(tmp_path).read_text(encoding="utf-8")
    assert "Superpixels of each method" in html
    svg = (tmp_path / "figures" / "superpixels.svg").read_text(encoding="utf-8")
    assert svg.count("data:image/") == 3 * 3  # photograph, slic and rim of three images
    assert ">Demonstration A<" in svg
    assert "Demonstration B" not in svg
    examples = (tmp_path / "figures" / "examples.svg").read_text(encoding="utf-8")
    assert examples.count("Demonstration A") == 1


def test_examples_say_who_predicted(page: Path) -> None:
    svg = (page.parent.parent / "figures" / "examples.svg").read_text(encoding="utf-8")
    assert svg.count(">label 0.") == 12
    assert 0 < svg.count(">predicted 0.") < 12
    assert "trained on" not in svg


def test_missing_figure_is_one_line(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = page.parent.parent
    arguments = ["--tables-dir", str(results / "tables"), "--figures-dir", str(results)]
    arguments += ["--benchmarks-dir", str(results), "--config", str(results / "config.yaml")]
    arguments += ["--as-released", str(results / "as-released.yaml")]
    arguments += ["--results-dir", str(results), "--output", str(results / "unused.html")]
    shutil.copy(results / "figures" / "most_wrong.json", results)
    arguments += ["--verified", str(results / "data" / "demo_a" / "verified.json")]
    assert main(["report", *arguments]) == 1
    assert "scatter.svg: no such file" in capsys.readouterr().err.replace(
        "training_curves", "scatter"
    )


def test_settings_are_flattened() -> None:
    settings = {"a": {"b": None, "c": [1, 2]}, "d": [{"name": "x", "on": ["y", "z"]}]}
    assert flatten(settings) == [
        ("a.b", "\N{EN DASH}"),
        ("a.c", "1, 2"),
        ("d", "name: x; on: y, z"),
    ]


def test_durations() -> None:
    seconds = [0, 59.94, 59.96, 245, 3599.7, 12_000]
    assert [duration(value) for value in seconds] == [
        *["0.0 s", "59.9 s", "1 min 00 s", "4 min 05 s", "1 h 00 min", "3 h 20 min"]
    ]


def test_what_was_run_is_said_and_what_differs_from_the_release(page: Path) -> None:
    text = " ".join(Reader(page.read_text(encoding="utf-8")).text.split())
    assert "trained on CPU, 2 threads" in text
    assert "trained by commit 0123abcd" in text
    assert "started from judge.safetensors, trained on BIQ2021" in text
    assert "training.learning_rate 0.0001 1e-05" in text  # the release's, ours
    assert "experiment individual on demo_a, slic, split00, tested on self \N{EN DASH}" in text
    assert "training.epochs" not in text[: text.index("Configuration")]


def test_an_experiment_in_words_names_what_it_is_tested_on() -> None:
    block = {"name": "a", "datasets": ["live"], "methods": ["slic"], "splits": ["whole"]}
    said = in_words({**block, "test_on": ["csiq", "spaq"]})
    assert said == "on live, slic, whole, tested on csiq, spaq"


def test_epochs_selected_on_test_stand_apart_beside_the_published(tmp_path: Path) -> None:
    table = fake_results.labels("live", 40).assign(label_kind="DMOS")
    rows = [
        fake_results.add_run(tmp_path, "individual", "live", table, on_test=on_test)
        for on_test in (False, True)
    ]
    rows.append(fake_results.add_run(tmp_path, "individual", "live", table, method="brisque_svr"))
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    fake_results.add_pack(tmp_path, "live", "LIVE", table)
    html = make_page(tmp_path).read_text(encoding="utf-8")
    others, on_test = (
        html[html.index(f">Epoch selected on {part}") :].split("</table>")[0]
        for part in ("validation", "test")
    )
    found = pd.read_csv(tmp_path / "tables" / "individual.csv")
    ours = found[(found["method"] == "slic")].set_index("selection")
    for text, selection in ((others, "validation"), (on_test, "test")):
        difference = ours.loc[selection, "srcc_median"] - ours.loc[selection, "published_srcc"]
        assert difference < 0
        shown = f"{difference:+.3f}".replace("-", "\N{MINUS SIGN}")
        assert re.search(f'<td class="number worse">{shown}</td>', text)
    assert "brisque" in others.lower()
    assert "brisque" not in on_test.lower()
    assert "<strong>" not in html  # one split shows of no method that it is better
    assert "Nothing is in bold" in others
    assert "bold" not in on_test  # it competes with none
    brief = Reader(html[html.index('class="brief"') :].split("</table>")[0]).text.split("\n")
    cells = [line for line in brief if line.strip()]
    start = cells.index("dataset")
    assert cells[start + 4 : start + 6] == ["test-selected SRCC", "test-selected PLCC"]
    assert f"{ours.loc['test', 'srcc_median']:.3f}" in cells[cells.index("DPAM, SLIC") + 3]
    assert cells[cells.index("BRISQUE features, SVR") + 3] == "\N{EN DASH}"
    assert "0.986" in cells  # published SRCC of LIVE
    runs = html[html.index('id="runs-title"') :]
    assert 'test_selected/on-live.csv"' in runs
    assert 'test_selected/history.csv"' not in runs


def test_most_wrong_images_and_their_numbers_lead_to_each_other(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    wrong = json.loads((page.parent.parent / "figures" / "most_wrong.json").read_text())
    assert len(wrong) == 7 * 3
    for one in wrong:
        table = pd.read_csv(one["file"])
        error = (table["prediction"] - table["label"]).abs().sort_values(ascending=False)
        row = table.loc[error.index[one["number"] - 1]]
        assert row["image"] == one["image"]
        assert html.count(f'href="#{one["name"]}" id="at-{one["name"]}"') == 1
        assert html.count(f'<li id="{one["name"]}">') == 1
        assert html.count(f'href="#at-{one["name"]}"') == 1


def test_gpu_hours_are_those_of_networks_trained_on_one(page: Path, tmp_path: Path) -> None:
    jobs = pd.read_csv(page.with_name("jobs.csv"))
    assert jobs["seconds"].sum() == pytest.approx(75.5 + 90.5 + 0.4 + 1.5)
    assert jobs["gpu_seconds"].sum() == 0
    assert "No GPU was used" in page.read_text(encoding="utf-8")
    table = fake_results.labels("demo_a", 12)
    rows = [
        fake_results.add_run(tmp_path, "e", "demo_a", table, split=split, device=device)
        for split, device in (("split00", "NVIDIA H100"), ("split01", "CPU, 2 threads"))
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    fake_results.add_pack(tmp_path, "demo_a", "A", table)
    fake_results.add_benchmarks(tmp_path)
    text = " ".join(Reader(make_page(tmp_path).read_text(encoding="utf-8")).text.split())
    jobs = pd.read_csv(tmp_path / "report" / "jobs.csv").set_index("job")
    assert jobs["gpu_seconds"].sum() == jobs.loc["demo_a-all-slic-split00-seed20", "gpu_seconds"]
    assert jobs["gpu_seconds"].sum() == 75.5
    assert "train 2 2 min 46 s 1 min 30 s 812 0.02" in text
    assert "trained on NVIDIA H100; CPU, 2 threads" in text


def test_disk_is_what_the_folders_hold(page: Path) -> None:
    disk = pd.read_csv(page.with_name("disk.csv")).set_index("folder")
    packs = page.parent.parent / "data"
    sizes = [file.stat().st_size for file in packs.rglob("*") if file.is_file()]
    assert disk.loc["data"].tolist() == [len(sizes), sum(sizes)]


def test_an_estimate_is_shown_where_there_is_one(page: Path, tmp_path: Path) -> None:
    assert "full reproduction" not in page.read_text(encoding="utf-8")
    table = fake_results.labels("mine", 12)
    row = fake_results.add_run(tmp_path, "e", "mine", table)
    pd.DataFrame([row]).to_csv(tmp_path / "runs.csv", index=False)
    fake_results.add_pack(tmp_path, "mine", "Mine", table)
    (tmp_path / "tables").mkdir()
    lines = "rule,jobs,cpu_hours,gpu_hours,disk_gb\ntrain,1250,40.25,812.5,12\ntest,2,1,0,0\n"
    (tmp_path / "tables" / "estimate.csv").write_text(lines)
    text = " ".join(Reader(make_page(tmp_path).read_text(encoding="utf-8")).text.split())
    assert "train 1,250 40.2 812.5 12.0 test 2 1.0 0.0 0.0 total 1,252 41.2 812.5 12.0" in text
    assert "12.0 From estimate.csv" in text


def test_a_partial_report_says_so(tmp_path: Path) -> None:
    table = fake_results.labels("mine", 12)
    row = fake_results.add_run(tmp_path, "individual", "mine", table)
    pd.DataFrame([row]).to_csv(tmp_path / "runs.csv", index=False)
    fake_results.add_pack(tmp_path, "mine", "Mine", table)
    assert "1 of 3 tests" in make_page(tmp_path, planned=3).read_text(encoding="utf-8")
    for made in ("report", "tables", "figures"):
        shutil.rmtree(tmp_path / made)
    assert "report is partial" not in make_page(tmp_path, planned=1).read_text(encoding="utf-8")


def test_dataset_cards(page: Path, tmp_path: Path) -> None:
    table = fake_results.labels("koniq10k", 12)
    row = fake_results.add_run(tmp_path, "e", "koniq10k", table)
    pd.DataFrame([row]).to_csv(tmp_path / "runs.csv", index=False)
    fake_results.add_pack(tmp_path, "koniq10k", "KonIQ-10k", table)
    folder = tmp_path / "data" / "koniq10k"
    table.to_csv(folder / "labels.csv", index=False)
    subsets = ["train"] * 7 + ["validation"] * 2 + ["test"] * 3
    splits = pd.DataFrame({"image": table["image"], "split00": subsets, "split01": subsets})
    splits.to_csv(folder / "splits.csv", index=False)
    html = make_page(tmp_path).read_text(encoding="utf-8")
    card = html[html.index('<article class="card">') :].split("</article>")[0]
    text = " ".join(Reader(card).text.split())
    assert "authentic" in text
    assert "MOS, 1 to 5" in text or "MOS, 0 to 100" in text
    assert "split00 7 train, 2 validation, 3 test" in text
    assert "split01" not in text  # nothing was trained on it
    assert "distortion types 2: blur, noise" in text
    assert "labels.csv" in text


def test_weights_of_another_kind_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_results.build(tmp_path)
    file = tmp_path / "runs/demo_a/all/slic/split00/seed20/model.safetensors"
    file.write_text("no network")
    with pytest.raises(AssertionError):
        make_page(tmp_path)
    assert f"{file}: expected a network" in capsys.readouterr().err


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_has_contrast_in_both_schemes(scheme: int) -> None:
    style = (Path(page_module.__file__).parent / "style.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
    pairs = [(ink, on) for ink in ("ink", "muted", "first") for on in ("paper", "raised")]
    pairs += [("better", "paper"), ("worse", "paper"), ("ink", "note")]
    for ink, on in pairs:
        light, dark = sorted((luminance(colours[ink]), luminance(colours[on])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, on)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("experiments: paper", "experiments: expected a list of blocks, each with a `name`"),
        ("experiments: [{name: a, datasets: live}]", "lists of datasets, methods, baselines"),
        ("custom: [mine]", "custom: expected datasets of your own by key"),
        ("- live", "expected keys and values"),
    ],
)
def test_a_configuration_of_another_form_is_refused(
    text: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(text)
    with pytest.raises(DpamError, match=f"my.yaml: .*{message}"):
        read_configuration(file)


def test_a_configuration_is_what_a_person_types(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("views: 5 # crops\nexperiments:\n  - name: a\n    datasets: [live]\ncustom:\n")
    experiments = [{"name": "a", "datasets": ["live"]}]
    assert read_configuration(file) == {"views": 5, "experiments": experiments}


def test_variants_and_ensembles_have_rows_of_their_own(tmp_path: Path) -> None:
    table = fake_results.labels("mine", 30)
    rows = [
        fake_results.add_run(tmp_path, "own", "mine", table, method=method, split=split, **more)
        for split in ("split00", "split01")
        for method, more in {
            "slic": {},
            "slic+no_texture": {},
            "slic+ensemble": {"seed": "20+21"},
        }.items()
    ]
    for row in rows:
        if row["seed"] == "20+21":  # nothing is trained for it
            for name in ("history.csv", "model.safetensors"):
                Path(str(row["run"]), name).unlink()
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    fake_results.add_pack(tmp_path, "mine", "Mine", table)
    text = " ".join(Reader(make_page(tmp_path).read_text(encoding="utf-8")).text.split())
    for found in ("DPAM, SLIC, ensemble", "DPAM, SLIC, no texture", "SRCC less base", "20+21"):
        assert found in text
    assert "4 networks trained and 6 tests made on 1 dataset" in text
    beside = pd.read_csv(tmp_path / "tables/own_variants.csv")
    assert beside["variant"].tolist() == ["base", "no_texture"]
    assert beside["srcc_difference"].notna().tolist() == [False, True]
    pairs = pd.read_csv(tmp_path / "tables/significance.csv")
    assert set(pairs["second"]) == {"slic+no_texture", "slic+ensemble"}


def test_columns_that_say_the_same_everywhere_are_a_sentence():
    rows = pd.DataFrame({"dataset": ["a", "b"], "labels": ["MOS", "MOS"], "splits": ["10", "5"]})
    text, said = without_constants(rows)
    assert list(text.columns) == ["dataset", "splits"]
    assert said == " In all rows, labels: MOS."
    one, nothing = without_constants(rows.iloc[:1])
    assert list(one.columns) == list(rows.columns)
    assert nothing == ""
