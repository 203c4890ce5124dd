"""The whole way from scores to the page, and the page in a browser."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import fake_results
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dpam.cli import main
from dpam.report.page import duration, flattened
from dpam.tables import readable, readable_types

SETTINGS = {"training": {"learning_rate": 1e-05}, "experiments": [{"name": "individual"}]}


def make_page(results: Path) -> Path:
    """Tables, figures and report of the results in a folder, by the commands."""
    packs = [str(path) for path in sorted(results.glob("data/*/*.h5"), reverse=True)]
    page = results / "report" / "index.html"
    tables, figures = str(results / "tables"), str(results / "figures")
    listed = str(results / "scores.csv")
    assert main(["tabulate", listed, "--output-dir", tables]) == 0
    assert main(["plot", listed, "--packs", *packs, "--output-dir", figures]) == 0
    folders = ["--tables-dir", tables, "--figures-dir", figures]
    folders += ["--benchmarks-dir", str(results / "benchmarks")]
    folders += ["--verified", *map(str, sorted(results.glob("data/*/verified.json")))]
    assert main(["report", *folders, "--config", json.dumps(SETTINGS), "--output", str(page)]) == 0
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    fake_results.build(results)
    return make_page(results)


class Reader(HTMLParser):
    """What a page refers to, its tags, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif tag == "a" and name == "href":
                self.links.append(value or "")
            elif name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                self.loaded.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_needs_nothing_else(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    reader = Reader(html)
    assert reader.loaded
    assert all(address.startswith(("data:", "#")) for address in reader.loaded)
    assert "script" not in reader.tags
    style = html[html.index("<style>") : html.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style
    assert set(re.findall(r"url\(([^)])", html)) <= {"#"}


def test_names_inside_the_page_are_unique_and_lead_somewhere(page: Path) -> None:
    reader = Reader(page.read_text(encoding="utf-8"))
    assert len(reader.ids) == len(set(reader.ids))
    inside = [address for address in reader.loaded + reader.links if address.startswith("#")]
    assert {address[1:] for address in inside} <= set(reader.ids)


def test_links_lead_to_files(page: Path) -> None:
    links = Reader(page.read_text(encoding="utf-8")).links
    files = [unquote(address) for address in links if not address.startswith("#")]
    assert {Path(file).name for file in files} >= {"individual.csv", "scores.csv", "history.csv"}
    for file in files:
        assert (page.parent / file).is_file()


def test_page_holds_every_number(page: Path) -> None:
    text = Reader(page.read_text(encoding="utf-8")).text
    tables = page.parent.parent / "tables"
    for name in ("individual", "cross_dataset", "single_distortion"):
        for cell in readable(pd.read_csv(tables / f"{name}.csv")).to_numpy().ravel():
            assert cell in text
    types = pd.read_csv(tables / "types_and_levels.csv")
    for cell in readable_types(types).to_numpy().ravel():
        assert cell in text
    for value in pd.read_csv(tables / "scores.csv")[["srcc", "krcc", "rmse"]].to_numpy().ravel():
        assert f"{value:.3f}" in text
    for expected in ["97.5", "81.5", "2 min 46 s", "1 min 30 s", "812", "training.learning_rate"]:
        assert expected in text


def test_page_says_what_was_reached_on_photographs_never_seen(page: Path) -> None:
    text = " ".join(Reader(page.read_text(encoding="utf-8")).text.split())
    table = pd.read_csv(page.parent.parent / "tables" / "individual.csv")
    assert "on photographs never seen in training" in text
    assert f"SRCC {table['srcc_median'][0]:.3f} demo_a, DPAM, SLIC 20 images, median" in text


def test_accepted_findings_are_named(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    reader = Reader(html)
    assert "Demonstration A: images/<one>.png: has a label but is not there" in reader.text
    assert html.count("[missing_image]") == 1
    assert "1,059" in reader.text
    assert "0123456789abcdef" in reader.text


def test_pseudo_labels_are_announced(page: Path, tmp_path: Path) -> None:
    assert "demo_b: pseudo-MOS (HaarPSI)" in page.read_text(encoding="utf-8")
    table = fake_results.labels("mine", 12).assign(label_kind="MOS")
    row = fake_results.add_run(tmp_path, "individual", "mine", table)
    pd.DataFrame([row]).to_csv(tmp_path / "scores.csv", index=False)
    fake_results.add_pack(tmp_path, "mine", "Mine", table)
    html = make_page(tmp_path).read_text(encoding="utf-8")
    text = Reader(html).text
    assert "pseudo-labels" not in text
    assert "Across datasets" not in text
    assert "Differences between methods" not in text
    assert "No benchmark files were found" in text


def test_page_is_accessible(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    tags = Reader(html).tags
    assert '<html lang="en">' in html
    assert tags.count("h1") == 1
    assert tags.count("table") == tags.count("caption") == 10
    assert tags.count("figure") == tags.count("figcaption") == tags.count("svg") == 4


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
    pd.DataFrame(rows).to_csv(tmp_path / "scores.csv", index=False)
    fake_results.add_pack(tmp_path, "mine", "Mine", table)
    text = " ".join(Reader(make_page(tmp_path).read_text(encoding="utf-8")).text.split())
    compared = pd.read_csv(tmp_path / "tables" / "significance.csv")
    assert f"{compared['t_test_holm'][0]:.3f} {compared['wilcoxon_holm'][0]:.3f}" in text
    assert "Shared by DPAM, SLIC and DPAM, RIM on other (e): 1." in text


def test_baselines_are_rows_without_a_training(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    text = " ".join(Reader(html).text.split())
    assert "4 networks and 1 baseline trained" in text
    assert "BRISQUE features, SVR" in text
    assert "brisque_svr/split00/seed20/on-demo_a.csv" in html
    assert "brisque_svr/split00/seed20/history.csv" not in html
    assert "Shared by DPAM, SLIC and BRISQUE features, SVR on demo_a (individual): 1." in text
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
    pd.DataFrame(rows).to_csv(tmp_path / "scores.csv", index=False)
    fake_results.add_pack(tmp_path, "mine", f"Mine {hostile} $x^$", table)
    reader = Reader(make_page(tmp_path).read_text(encoding="utf-8"))
    assert "script" not in reader.tags
    assert reader.text.count(f"MOS {hostile}") > 3
    assert f"Mine {hostile} $x^$" in reader.text
    assert "a&<b \N{RIGHTWARDS ARROW} mine" in reader.text


def test_many_runs_are_summed_up(tmp_path: Path) -> None:
    table = fake_results.labels("mine", 12)
    parts = [f"type{i:02d}" for i in range(45)]
    rows = [fake_results.add_run(tmp_path, "single", "mine", table, part=part) for part in parts]
    pd.DataFrame(rows).to_csv(tmp_path / "scores.csv", index=False)
    fake_results.add_pack(tmp_path, "mine", "Mine", table)
    reader = Reader(make_page(tmp_path).read_text(encoding="utf-8"))
    text = " ".join(reader.text.split())
    scores = pd.read_csv(tmp_path / "tables" / "single.csv")["srcc_median"]
    assert f"SRCC {scores.median():.3f} median over 45 rows" in text
    assert f"SRCC {scores.min():.3f} lowest: mine, type{scores.argmin():02d}" in text
    assert f"SRCC {scores.max():.3f} highest: mine, type{scores.argmax():02d}" in text
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
    pd.DataFrame(rows).to_csv(tmp_path / "scores.csv", index=False)
    fake_results.add_pack(tmp_path, "a", "A", table)
    figures = tmp_path / "figures"
    pack = str(tmp_path / "data" / "a" / "slic.h5")
    listed = str(tmp_path / "scores.csv")
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
    arguments += ["--benchmarks-dir", str(results), "--config", "{}", "--output", "unused.html"]
    arguments += ["--verified", str(results / "data" / "demo_a" / "verified.json")]
    assert main(["report", *arguments]) == 1
    assert "scatter.svg: no such file" in capsys.readouterr().err.replace(
        "training_curves", "scatter"
    )


def test_settings_are_flattened() -> None:
    settings = {"a": {"b": None, "c": [1, 2]}, "d": [{"name": "x", "on": ["y", "z"]}]}
    assert flattened(settings) == [
        ("a.b", "\N{EN DASH}"),
        ("a.c", "1, 2"),
        ("d", "name: x; on: y, z"),
    ]


def test_durations() -> None:
    seconds = [0, 59.94, 59.96, 245, 3599.7, 12_000]
    assert [duration(value) for value in seconds] == [
        *["0.0 s", "59.9 s", "1 min 00 s", "4 min 05 s", "1 h 00 min", "3 h 20 min"]
    ]


CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


def screenshot(page: Path, folder: Path, width: int, *options: str) -> tuple[np.ndarray, str]:
    """The page as (h, w, 3) picture, and what the browser's console said."""
    assert CHROMIUM
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]
    command += ["--no-first-run", "--disable-background-networking", "--disable-component-update"]
    command += ["--disable-sync", "--hide-scrollbars", "--enable-logging=stderr", *options]
    command += [f"--user-data-dir={folder / 'profile'}", f"--screenshot={folder / 'page.png'}"]
    command += [f"--window-size={width},1500", page.as_uri()]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return np.asarray(Image.open(folder / "page.png").convert("RGB")), answer.stderr


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [390, 800, 1400])
def test_page_in_a_browser(page: Path, tmp_path: Path, width: int) -> None:
    picture, console = screenshot(page, tmp_path, width)
    assert "CONSOLE" not in console
    assert picture.shape[1] == width
    assert (picture[-5:].mean(axis=(0, 1)) > 200).all()  # light paper
    assert 0.02 < (picture.mean(axis=2) < 128).mean() < 0.5  # ink on it
    # Nothing sticks out: the margin right of the text stays free of ink.
    assert (picture[:, -4:] > 200).all()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_page_in_the_dark(page: Path, tmp_path: Path) -> None:
    picture, _ = screenshot(page, tmp_path, 800, "--force-dark-mode")
    assert picture.mean() < 90
