"""Figures as SVG files: that they show what they should, as text."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from dpam.evaluation.bootstrap import FEW_REFERENCES
from dpam.figures import curves, photographs, style
from dpam.figures.gallery import Gallery, QualityExample
from dpam.figures.scatter import Scatter, agreement, scatter

HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "loss": [0.08, 0.03, 0.012],
        "train_srcc": [0.2, 0.6, 0.9],
        "validation_srcc": [0.1, 0.5, 0.4],
        "test_srcc": [np.nan] * 3,
        "validation_selected": [0, 1, 0],
    }
)


def saved(figure: Figure, path: Path) -> str:
    path.unlink(missing_ok=True)
    style.save(figure, path)
    return path.read_text(encoding="utf-8")


def words(svg: str) -> str:
    root = ElementTree.fromstring(svg)  # noqa: S314 - written a moment ago
    return "\n".join(
        "".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")
    )


def cloud(n: int, title: str = "a") -> Scatter:
    label = np.linspace(0, 1, n)
    return Scatter(title, "pseudo-MOS (HaarPSI)", label, label**2, "SRCC 1.000\nPLCC 0.966")


def album(title: str = "demo") -> photographs.ExampleSet:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
    label_map = np.repeat(np.arange(8, dtype=np.uint16), 10)[None].repeat(60, axis=0)
    return photographs.ExampleSet(title, [photographs.Example(image, label_map, "label 0.50")] * 2)


@pytest.fixture(autouse=True)
def _style():
    with style.style():
        yield


def test_training_curves(tmp_path: Path) -> None:
    runs = [curves.Curves("demo_a", HISTORY), curves.Curves("demo_b", HISTORY[:1])]
    text = words(saved(curves.training_curves(runs, hidden=3), tmp_path / "f.svg"))
    for expected in ["demo_a", "demo_b", "loss", "SRCC", "epoch (2 kept)", "validation", "0.01"]:
        assert expected in text.split("\n")
    assert "3 more runs not shown" in text


def test_training_curves_share_their_ranges() -> None:
    other = HISTORY.assign(loss=[7.0, 5.0, 3.0], test_srcc=[-0.5, np.nan, 0.1])
    figure = curves.training_curves([curves.Curves("a", HISTORY), curves.Curves("b", other)])
    losses, correlations = figure.axes[::2], figure.axes[1::2]
    assert [axes.get_ylim() for axes in losses] == [(0.01, 10.0)] * 2
    assert [axes.get_ylim() for axes in correlations] == [(-0.52, 1.02)] * 2


def test_lines_are_drawn_only_for_parts_that_were_measured(tmp_path: Path) -> None:
    svg = saved(curves.training_curves([curves.Curves("a", HISTORY)]), tmp_path / "f.svg")
    colours = [style.COLOURS[name] for name in ("muted", "first", "second")]
    in_plot = svg[: svg.index('id="legend_1"')]
    assert [f"stroke: {colour}; stroke-width: 1.2" in in_plot for colour in colours] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("loss", [[np.nan] * 3, [0.0] * 3, [1e-9, 5, 1e4], [0.02] * 3])
def test_any_loss_can_be_drawn(loss: list[float], tmp_path: Path) -> None:
    runs = [curves.Curves("a", HISTORY.assign(loss=loss))]
    assert "loss" in words(saved(curves.training_curves(runs), tmp_path / "f.svg"))


@pytest.mark.parametrize(
    ("low", "high", "ends"),
    [
        (0.012, 0.08, (0.01, 0.1)),
        (0.02, 0.02, (0.02, 0.05)),
        (1, 20, (1, 20)),
        (0.3, 0.9, (0.2, 1)),
        (0.0099, 7, (0.005, 10)),
    ],
)
def test_round_ends(low: float, high: float, ends: tuple[float, float]) -> None:
    assert curves.round_ends(low, high) == pytest.approx(ends)


def test_scatter(tmp_path: Path) -> None:
    text = words(saved(scatter([cloud(30), cloud(9, "b")], hidden=1), tmp_path / "f.svg"))
    assert text.count("SRCC 1.000") == text.count("PLCC 0.966") == 2
    assert "prediction of 30 images" in text
    assert text.count("label, 0 to 1:") == text.count("pseudo-MOS (HaarPSI)") == 1
    assert "1 more panel not shown" in text
    other = replace(cloud(9), label_kind="MOS")
    text = words(saved(scatter([cloud(30), other]), tmp_path / "f.svg"))
    assert text.count("label, 0 to 1:") == 2  # each panel has its own kind


def test_many_points_become_one_transparent_picture(tmp_path: Path) -> None:
    svg = saved(scatter([cloud(3000)]), tmp_path / "f.svg")
    assert len(svg) < 200_000
    assert "data:image/png;base64" in svg


def test_agreement_stands_with_its_intervals() -> None:
    row = {"srcc": 0.5, "srcc_low": -0.25, "srcc_high": 0.75, "plcc": np.nan, "intervals_over": ""}
    assert agreement(row) == "SRCC 0.500 [\N{MINUS SIGN}0.250, 0.750]\nPLCC \N{EN DASH}"
    few = agreement(row | {"intervals_over": FEW_REFERENCES})
    assert few.startswith("SRCC 0.500 [\N{MINUS SIGN}0.250, 0.750]*\n")


def test_examples_are_small_jpegs_and_notes(tmp_path: Path) -> None:
    svg = saved(photographs.examples([album("one"), album("two")]), tmp_path / "f.svg")
    text = words(svg)
    assert "one" in text
    assert "two" in text
    assert text.count("label 0.50") == 4
    pictures = re.findall(r"data:image/(\w+);base64,([^\"]+)", svg)
    assert [kind for kind, _ in pictures] == ["jpeg"] * 8
    assert "pixelated" not in svg
    assert Image.open(io.BytesIO(base64.b64decode(pictures[0][1]))).size == (80, 60)


def test_outline_marks_the_borders_of_superpixels() -> None:
    image = np.zeros((640, 320, 3), dtype=np.uint8)
    label_map = np.zeros((640, 320), dtype=np.uint16)
    label_map[320:] = 1
    small, outlined = photographs.outline(image, label_map)
    assert small.shape == outlined.shape == (320, 160, 3)
    assert not small.any()
    assert np.flatnonzero(outlined.any(axis=(1, 2))).tolist() == [160]
    assert (outlined[160] == photographs.OUTLINE).all()


def test_superpixel_methods_side_by_side(tmp_path: Path) -> None:
    image = np.zeros((60, 80, 3), dtype=np.uint8)
    halves = np.repeat([[0, 1]], 10, axis=0).repeat(5, axis=1)
    row = photographs.SegmentedPhotograph(image, {"slic": halves, "rim": halves.T})
    svg = saved(
        photographs.superpixels([photographs.Comparison("Tiny", [row, row])]), tmp_path / "f.svg"
    )
    text = words(svg).split("\n")
    assert {"Tiny", "photograph", "slic", "rim"} <= set(text)
    pictures = re.findall(r"data:image/(\w+);base64,([^\"]+)", svg)
    assert len(pictures) == 6
    _, slic, rim = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"), dtype=int)
        for _, data in pictures[:3]
    )
    assert slic.shape == rim.shape == (60, 80)
    assert slic[:, 40].min() > 100 > slic[:, 20].max()
    assert rim[30].min() > 100 > rim[10].max()


def test_the_fitted_logistic_is_drawn_and_the_most_wrong_are_linked(tmp_path: Path) -> None:
    label = np.linspace(0.2, 0.8, 30)
    upper, lower, centre, width = 0.9, 0.1, 0.5, 0.2
    links = {3: "#wrong-1-1", 29: "#wrong-1-2"}
    plain = Scatter("a", "MOS", label, label, "SRCC 1.000")
    more = Scatter("a", "MOS", label, label, "SRCC 1.000", (upper, lower, centre, width), links)
    figure = scatter([more])
    (axes,) = figure.axes
    curve = next(line for line in axes.lines if len(line.get_xdata()) == 100)
    x, y = np.asarray(curve.get_xdata()), np.asarray(curve.get_ydata())
    assert y == pytest.approx(0.1 + 0.8 / (1 + np.exp(-(x - 0.5) / 0.2)))
    assert (x[0], x[-1]) == (0.2, 0.8)
    step = Scatter("a", "MOS", label, label, "SRCC 1.000", (upper, lower, centre, 0.002), links)
    (axes,) = scatter([step]).axes
    assert not [line for line in axes.lines if len(line.get_xdata()) == 100]
    assert "logistic: a step,\nnot drawn" in [text.get_text() for text in axes.texts]
    svg = saved(figure, tmp_path / "f.svg")
    assert re.findall(r'xlink:href="(#wrong-[^"]+)"', svg) == list(links.values())
    assert {"1", "2"} <= set(words(svg).split("\n"))
    svg = saved(scatter([plain]), tmp_path / "f.svg")
    assert "step" not in svg
    assert "#wrong" not in svg
    assert f"stroke: {style.COLOURS['second']}" not in svg


def test_numbers_lie_apart_within_the_panel(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for _ in range(8):
        label, prediction = rng.random((2, 60))
        label[:3], prediction[:3] = rng.choice([0, 0.5, 1]), rng.choice([0, 0.5, 1])
        label[:3] += rng.normal(0, 0.01, 3)  # three images nearly in one place, or at an edge
        several = replace(cloud(60), label=label, prediction=prediction)
        several = replace(several, wrong={row: f"#wrong-1-{row}" for row in range(3)})
        figure = scatter([several] * 2)
        figure.draw_without_rendering()
        for axes in figure.axes:
            numbers = [text for text in axes.texts if text.get_text() in ("1", "2", "3")]
            boxes = [Text.get_window_extent(number) for number in numbers]
            assert len(boxes) == 3
            for index, box in enumerate(boxes):
                assert not box.count_overlaps(boxes[:index])
                assert axes.bbox.padded(3).count_contains(box.get_points()) == 2
    assert saved(figure, tmp_path / "f.svg").count("#wrong-1-") == 6


def test_pdf_has_text_and_no_links_and_the_same_bytes_again(tmp_path: Path) -> None:
    label = np.linspace(0, 1, 9)
    files = []
    for number in range(2):
        figure = scatter([Scatter("a", "MOS", label, label, "SRCC 1.000", None, {0: "#there"})])
        files.append(tmp_path / f"{number}.pdf")
        style.save_pdf(figure, files[-1])
    first, second = (file.read_bytes() for file in files)
    assert first.startswith(b"%PDF")
    assert first == second
    for unwanted in (b"#there", b"/CreationDate", b"/Creator", b"/Producer", b"/Type3"):
        assert unwanted not in first
    assert b"/TrueType" in first or b"/Type0" in first


def test_bars_of_distortion_types(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "title": ["one", "one", "two"],
            "name": ["gaussian_blur", "jpeg", "jpeg"],
            "srcc_median": [0.5, -0.25, np.nan],
            "srcc_std": [0.1, 0.2, np.nan],
            "srcc_each": ["", "-0.35 -0.15", "nan"],
        }
    )
    figure = curves.distortion_types(table, hidden=2)
    first, _ = figure.axes
    bars = [bar for bar in first.patches if bar.get_width() in (0.5, -0.25)]
    assert [bar.get_width() for bar in bars] == [0.5, -0.25]
    (dots,) = (line for line in first.lines if line.get_marker() == ".")
    assert dots.get_xdata().tolist() == [-0.35, -0.15]
    (deviations,) = first.containers[1:]
    spans = [path.vertices[:, 0].tolist() for path in deviations[2][0].get_paths()]
    assert spans[0] == [0.4, 0.6]
    assert np.isnan(spans[1:]).all()
    text = words(saved(figure, tmp_path / "f.svg")).split("\n")
    assert {"gaussian blur", "jpeg", "0.500", "\N{MINUS SIGN}0.250", "\N{EN DASH}"} <= set(text)
    assert "2 more panels not shown; all numbers are in the tables" in text


def test_histograms_of_labels(tmp_path: Path) -> None:
    scores = np.array([0.01, 0.02, 0.51, 1.0])
    figure = curves.histograms([curves.Histogram("Tiny", "MOS", scores)])
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert (len(heights), heights[0], heights[10], heights[19]) == (20, 2, 1, 1)
    text = words(saved(figure, tmp_path / "f.svg")).split("\n")
    assert {"Tiny:", "4 images", "label, 0 to 1:", "MOS"} <= set(text)


def test_quality_maps_beside_each_other(tmp_path: Path) -> None:
    photo = np.full((20, 30, 3), 100, dtype=np.uint8)
    lost = np.linspace(0, 0.8, 600).reshape(20, 30)
    example = QualityExample("most wrong", "a.png", 0.9, 0.25, photo, lost, 1 - lost)
    figure = photographs.quality_maps([Gallery("Tiny, split00", [example, example])])
    svg = saved(figure, tmp_path / "f.svg")
    assert len(re.findall("data:image/", svg)) == 2 * 3 + 2  # with the two scales
    text = words(svg)
    for expected in ("Tiny, split00", "label 0.90", "predicted 0.25", "quality lost, 0 to 0.8"):
        assert expected in text


def test_a_map_lies_over_the_grey_photograph_except_where_it_is_not_defined() -> None:
    photo = np.zeros((1, 2, 3), dtype=np.uint8)
    photo[:] = (10, 20, 60)
    mixed = photographs.overlay(photo, np.array([[np.nan, 1.0]]), "viridis")
    assert mixed[0, 0].tolist() == [30, 30, 30]
    yellow = 255 * np.array([0.993248, 0.906157, 0.143936])  # the end of viridis
    assert mixed[0, 1] == pytest.approx(0.35 * 30 + 0.65 * yellow, abs=1)


def scores(**columns: list[object]) -> pd.DataFrame:
    table = pd.DataFrame(columns)
    defaults = {"distortion": "all", "method": "slic", "split": "whole", "label_kind": "MOS"}
    defaults["intervals_over"] = FEW_REFERENCES
    for name, value in defaults.items():
        table[name] = columns.get(name, value)
    table["run"] = [f"run{i}" for i in range(len(table))]
    return table


def test_cross_dataset(tmp_path: Path) -> None:
    table = scores(
        dataset=["a", "a", "a", "b", "a"],
        test_dataset=["b", "b", "b", "a", "a"],
        srcc=[0.5, 0.7, 0.6, -0.25, 0.99],
    )
    text = words(saved(curves.cross_dataset(table), tmp_path / "f.svg")).split("\n")
    assert "0.600" in text
    assert "\N{MINUS SIGN}0.250" in text
    assert "0.990" not in text
    assert "Labels: MOS" in text


def test_cross_dataset_shows_the_interval_of_a_single_run(tmp_path: Path) -> None:
    table = scores(
        dataset=["a", "b", "b"], test_dataset=["b", "a", "a"], srcc=[0.5, 0.4, 0.6],
        srcc_low=[0.25] * 3, srcc_high=[0.75] * 3,
    )  # fmt: skip
    text = words(saved(curves.cross_dataset(table), tmp_path / "f.svg"))
    assert text.count("[0.250, 0.750]*") == 1
    many = pd.concat([table, *(table.assign(test_dataset=name) for name in "cdefg")])
    assert "[" not in words(saved(curves.cross_dataset(many), tmp_path / "f.svg"))  # no room


def test_cross_dataset_by_method_and_with_undefined_values(tmp_path: Path) -> None:
    table = scores(
        dataset=["a", "a"], test_dataset=["b", "b"], method=["slic", "rim"], srcc=[0.5, np.nan]
    )
    text = words(saved(curves.cross_dataset(table), tmp_path / "f.svg")).split("\n")
    assert {"DPAM, SLIC", "DPAM, RIM", "0.500"} <= set(text)


def test_nothing_to_show_is_said_in_words(tmp_path: Path) -> None:
    own = scores(dataset=["a"], test_dataset=["a"], srcc=[0.5])
    for figure in [
        curves.training_curves([]),
        scatter([]),
        photographs.examples([]),
        photographs.superpixels([]),
        curves.cross_dataset(own),
        curves.histograms([]),
        photographs.quality_maps([]),
        curves.distortion_types(pd.DataFrame({"title": []})),
    ]:
        assert style.shows_nothing(figure)
        assert re.match(r"No .+\.$", words(saved(figure, tmp_path / "f.svg")))
    assert not style.shows_nothing(scatter([cloud(9)]))


def all_figures(count: int) -> dict[str, Figure]:
    """Each kind of figure, with `count` panels."""
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)
    one = QualityExample("worst", "a.png", 0.9, 0.25, photo, *rng.random((2, 20, 30)))
    names = [f"Set {number}" for number in range(count)]
    types = pd.DataFrame({"title": names, "name": "blur", "srcc_median": 0.5, "srcc_std": 0.1})
    compared = photographs.SegmentedPhotograph(photo, {"slic": np.zeros((2, 2), int)})
    return {
        "curves": curves.training_curves([curves.Curves(name, HISTORY) for name in names]),
        "scatter": scatter([cloud(9, name) for name in names]),
        "types": curves.distortion_types(types.assign(srcc_each="")),
        "labels": curves.histograms(
            [curves.Histogram(name, "MOS", rng.random(9)) for name in names]
        ),
        "cross": curves.cross_dataset(
            scores(dataset=["one"] * count, test_dataset="two", srcc=0.5, method=names)
        ),
        "maps": photographs.quality_maps([Gallery(name, [one] * 6) for name in names]),
        "examples": photographs.examples([album(name) for name in names]),
        "superpixels": photographs.superpixels(
            [photographs.Comparison(name, [compared]) for name in names]
        ),
    }


@pytest.mark.parametrize("count", [1, 3])
def test_figures_fit_the_columns_of_a_journal(count: int, tmp_path: Path) -> None:
    for name, figure in all_figures(count).items():
        assert figure.get_figwidth() in (style.SINGLE, style.DOUBLE), name
        svg = saved(figure, tmp_path / "f.svg")
        sizes = set(re.findall(r"font[^;\"]*?([\d.]+)px", svg))
        assert sizes == {"8"}, name
        letters = [word for word in words(svg).split("\n") if re.fullmatch("[a-z]", word)]
        assert [word for word in letters if word in "abc"][-count:] == [*"abc"][
            : count * (count > 1)
        ], name


def test_same_numbers_give_same_bytes(tmp_path: Path) -> None:
    first = saved(scatter([cloud(20)]), tmp_path / "f.svg")
    assert saved(scatter([cloud(20)]), tmp_path / "f.svg") == first
    assert "<dc:date>" not in first


@pytest.mark.parametrize(
    "title", ["<script>alert(1)</script>", "a$x^$b", "a & b", '"quoted"', r"\frac"]
)
def test_hostile_titles_are_text(title: str, tmp_path: Path) -> None:
    svg = saved(scatter([cloud(5, title)]), tmp_path / "f.svg")
    assert title in words(svg)
    assert "<script" not in svg


def test_titles_name_what_tells_rows_apart() -> None:
    rows = pd.DataFrame(
        {
            "dataset": ["kadid10k", "kadid10k"],
            "test_dataset": ["kadid10k", "live"],
            "distortion": ["blur", "all"],
            "method": "slic",
            "split": ["split00", "whole"],
            "seed": 20,
        }
    )
    assert style.titles(rows) == [
        "kadid10k, blur, split00",
        "kadid10k \N{RIGHTWARDS ARROW} live, whole",
    ]
    assert style.titles(rows[:1]) == ["kadid10k, blur"]
    assert "\n" in style.titles(rows[:1].assign(distortion="a_very_long_name_of_a_distortion"))[0]
