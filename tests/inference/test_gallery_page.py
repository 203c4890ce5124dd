"""The page of scored photographs: all are on it, names are text, and what its script does."""

import base64
import io
import json
import re

import numpy as np
import pytest
from browser import NEEDS_CHROMIUM, Browser
from PIL import Image
from samples import photograph

from dpam.cli import main
from dpam.inference.explanations import Explanation, Picture
from dpam.inference.gallery import MAP_SIDE, OPAQUE, SIDE, Shown, gallery, lost_quality, thumbnail
from dpam.inference.predict import Prediction
from dpam.inference.score_table import Row

HOSTILE = "<script>alert(1)</script> \"&'.jpg"


def row(name, score):
    return Row(name, score / 100, score, 1.0, max(0, score - 15), min(100, score + 15))


def explanation(rgb, score):
    """Of a network that sees all of a photograph, in patches (g, g) of these scores."""
    height, width = rgb.shape[:2]
    labels, boxes = np.zeros((height, width), int), np.array([[0, 0, height, width]])
    prediction = Prediction(np.array([score.mean()]), score[None], np.ones_like(score)[None])
    return Explanation(None, prediction, Picture(rgb, labels, None, False, boxes))


def shown_of(one):
    rgb = photograph(int(one.score_100), 120, 160)
    patches = np.linspace(0.2, 0.8, 16).reshape(4, 4)
    return Shown(one, thumbnail(rgb), lost_quality(explanation(rgb, patches)))


@pytest.fixture
def page(tmp_path):
    rows = [row("b 2.png", 20.0), row("a 10.png", 80.4), row("a 9.png", 50.0)]
    shown = [shown_of(one) for one in rows]
    path = tmp_path / "page.html"
    path.write_text(gallery(shown, "Scored by x < y."), encoding="utf-8")
    return path


def test_a_thumbnail_is_small_and_the_photograph():
    rgb = np.tile(np.linspace(0, 255, 1200)[:, None, None], (1, 900, 3)).astype(np.uint8)
    image = Image.open(io.BytesIO(thumbnail(rgb)))
    assert image.size == (SIDE * 3 // 4, SIDE)
    column = np.asarray(image, dtype=float)[:, 50].mean(axis=1)
    np.testing.assert_allclose(column, np.linspace(0, 255, SIDE), atol=4)


def test_the_page_has_every_photograph_best_first(page):
    text = page.read_text(encoding="utf-8")
    assert re.findall(r'data-score="([\d.]+)"', text) == ["80.4000", "50.0000", "20.0000"]
    assert "3 photographs" in text
    assert "Scored by x &lt; y." in text
    assert '<strong>80</strong> <span class="likely">likely between 65 and 95</span>' in text
    found = re.findall(r"data:image/jpeg;base64,([^\"]+)", text)
    assert all(Image.open(io.BytesIO(base64.b64decode(one))).size for one in found)
    assert len(found) == 3


def test_the_map_is_red_where_most_is_lost_and_clear_where_least():
    score = np.full((4, 4), 0.9)
    score[1, 2] = 0.3
    image = Image.open(io.BytesIO(lost_quality(explanation(photograph(0, 120, 240), score))))
    assert image.size == (MAP_SIDE, MAP_SIDE // 2)
    alpha = np.asarray(image.resize((4, 4), Image.Resampling.BOX))[..., 3]
    assert np.argwhere(alpha == OPAQUE).tolist() == [[1, 2]]
    assert (alpha == 0).sum() == 15
    alike = lost_quality(explanation(photograph(0, 120, 240), score.clip(0.88)))
    faint = np.asarray(Image.open(io.BytesIO(alike)))[..., 3]
    assert faint.max() <= 0.2 * OPAQUE, "differences that mean little are shown as much"


def test_hostile_names_are_text_and_unknown_intervals_are_left_out():
    one = Row(HOSTILE, 0.5, 50.0, 0.0, None, None)
    text = gallery([shown_of(one)], "")
    assert text.count("<script>") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &quot;&amp;&#x27;.jpg" in text
    assert "likely" not in text.partition("<main>")[2].partition("</main>")[0]
    assert "1 photograph<" in text


def test_predict_writes_the_page_and_replaces_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        Image.fromarray(photograph(number)).save(f"{number}.png")
    (tmp_path / "3.png").write_bytes(b"broken")
    assert main(["predict", ".", "--page", "page.html"]) == 3
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("<figure ") == 3
    capsys.readouterr()
    for wrong in (["--page", "page.html"], ["--page", "page.txt"]):
        assert main(["predict", ".", *wrong]) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["predict", ".", "--page", "b.html", "--output", "s.csv", "--resume"]) == 1
    assert not (tmp_path / "s.csv").exists()


@NEEDS_CHROMIUM
@pytest.mark.xdist_group("browser")
def test_ordering_filtering_and_enlarging_in_a_browser(page):
    names = "[...document.querySelectorAll('figure:not([hidden])')].map(f => f.dataset.name)"
    order = "(document.getElementById('order').value = '{}', document.getElementById('order')"
    order += ".dispatchEvent(new Event('change')))"
    limit = "(document.getElementById('{}').value = '{}', document.getElementById('{}')"
    limit += ".dispatchEvent(new Event('input')))"
    with Browser() as browser:
        browser.open(page.as_uri(), 800)
        assert browser.run(names) == ["a 10.png", "a 9.png", "b 2.png"]
        browser.run(order.format("worst"))
        assert browser.run(names) == ["b 2.png", "a 9.png", "a 10.png"]
        browser.run(order.format("name"))
        assert browser.run(names) == ["a 9.png", "a 10.png", "b 2.png"]
        browser.run(limit.format("low", 50, "low"))
        assert browser.run(names) == ["a 9.png", "a 10.png"]
        assert browser.run("document.getElementById('shown').textContent") == "2 shown"
        browser.run(limit.format("high", "", "high"))
        browser.run(limit.format("high", 60, "high"))
        assert browser.run(names) == ["a 9.png"]
        width = "document.querySelector('figure').getBoundingClientRect().width"
        small = browser.run(width)
        browser.run("document.querySelector('figure button').click()")
        assert browser.run(width) > 2 * small
        over = "[...document.querySelectorAll('figure.large .lost img')].map(i => {}).join()"
        box = "JSON.stringify(i.getBoundingClientRect())"
        first, second = json.loads(f"[{browser.run(over.format(box))}]")
        assert first == second, "the map does not lie on the photograph"
        assert first["width"] > 200
        browser.run("document.querySelector('figure button').click()")
        assert browser.run(width) == small
        browser.run("document.querySelector('figure button').click()")
        assert browser.run("document.querySelectorAll('.lost').length") == 1
        said = ("Runtime.exceptionThrown", "Log.entryAdded", "Network.requestWillBeSent")
        asked = [one for one in browser.said(*said) if "request" not in one]
        assert asked == []
        addresses = [one["request"]["url"] for one in browser.said("Network.requestWillBeSent")]
        assert all(address.startswith(("data:", page.as_uri())) for address in addresses)
        browser.open(page.as_uri(), 360)
        assert browser.run("document.documentElement.scrollWidth") == 360


@NEEDS_CHROMIUM
@pytest.mark.xdist_group("browser")
def test_two_thousand_photographs_in_a_browser(tmp_path):
    """As many as an album has: each is there, and ordering and filtering reach all of them."""
    rng = np.random.default_rng(1)
    scores = rng.permutation(np.linspace(0, 100, 2001)).tolist()
    lost = shown_of(row("", 50)).lost
    noise = [thumbnail(rng.integers(0, 256, (108, 144, 3), np.uint8)) for _ in range(5)]
    shown = [Shown(row(f"{i:04d}.jpg", x), noise[i % 5], lost) for i, x in enumerate(scores)]
    path = tmp_path / "album.html"
    path.write_text(gallery(shown, "Scored by x."), encoding="utf-8")
    assert path.stat().st_size > 2001 * 12_000
    names = "[...document.querySelectorAll('figure:not([hidden])')].map(f => f.dataset.name)"
    best_first = [f"{i:04d}.jpg" for i in np.argsort(scores)[::-1]]
    with Browser() as browser:
        browser.open(path.as_uri(), 1400)
        assert browser.run(names) == best_first
        browser.run(
            "(order => { order.value = 'name'; order.dispatchEvent(new Event('change')); })"
            "(document.getElementById('order'))"
        )
        assert browser.run(names) == sorted(best_first)
        browser.run(
            "(low => { low.value = 90; low.dispatchEvent(new Event('input')); })"
            "(document.getElementById('low'))"
        )
        # From 89.5 on, which the page shows as 90.
        assert browser.run(names) == sorted(best_first[:211])
        last = "[...document.querySelectorAll('figure:not([hidden]) img')].at(-1)"
        assert browser.run(f"{last}.decode().then(() => {last}.naturalWidth)") > 0
        assert browser.said("Runtime.exceptionThrown", "Log.entryAdded") == []
