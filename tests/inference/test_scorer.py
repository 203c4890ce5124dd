"""A trained network as a judge of photographs, and as a differentiable module."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from samples import ABOUT, in_full, photograph, preparation

import dpam
from dpam.errors import DpamError
from dpam.imaging.filters import planes, texture
from dpam.inference.metric import colours
from dpam.model import DPAM, create
from dpam.model.checkpoint import load_checkpoint, save_checkpoint
from dpam.pack.preparing import prepare
from dpam.superpixels.statistics import label_map_statistics


def checkpoint(folder, network_input="whole", higher_is_better=True, **more):
    """An untrained network whose scores depend on the image."""
    torch.manual_seed(3)
    net = DPAM("test_vit", image_size=64, embed_dim=16)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.15)
    metadata = {
        "dataset": "tiny",
        "label_kind": "MOS" if higher_is_better else "DMOS",
        "score_range": [1, 5],
        "higher_is_better": higher_is_better,
        "preparation": vars(preparation(network_input)),
        **more,
    }
    file = folder / "model.safetensors"
    file.unlink(missing_ok=True)
    save_checkpoint(file, net, metadata)
    return file


@pytest.fixture(params=["whole", "crop"])
def path(request, tmp_path):
    return checkpoint(tmp_path, request.param)


def image(seed: int, height: int = 80, width: int = 96) -> torch.Tensor:
    return planes(photograph(seed, height, width)).float() / 255


def test_importing_the_package_needs_no_torch():
    code = "import sys, dpam; dir(dpam); sys.exit('torch' in sys.modules or 'PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    with pytest.raises(AttributeError, match="'nothing'"):
        _ = dpam.nothing


GLOBALS = """
import sys
from PIL import Image
before = Image.MAX_IMAGE_PIXELS, list(Image.OPEN)
import dpam
judge = dpam.load(sys.argv[1])
assert (Image.MAX_IMAGE_PIXELS, list(Image.OPEN)) == before
judge.score(sys.argv[2])
assert Image.MAX_IMAGE_PIXELS == before[0]
"""


def test_scoring_leaves_pillow_as_it_was(path, tmp_path):
    Image.fromarray(photograph(0)).save(tmp_path / "a.png")
    code = [sys.executable, "-c", GLOBALS, path, tmp_path / "a.png"]
    assert subprocess.run(code).returncode == 0


def test_one_and_many(path):
    model, rgb = dpam.load(path), photograph(0)
    expected = model.score(rgb)
    assert isinstance(expected, float)
    many = model.score(np.stack([rgb, photograph(1)]))
    assert many.shape == (2,)
    np.testing.assert_allclose(many, [expected, model.score(photograph(1))], rtol=1e-5)
    assert many[0] != many[1]
    np.testing.assert_allclose(model.score(photograph(i) for i in (0, 1)), many, rtol=1e-5)
    for none in ([], iter(()), np.zeros((0, 40, 40, 3)), torch.zeros(0, 3, 40, 40)):
        assert model.score(none).shape == (0,)


def test_scores_are_on_the_scale_of_the_labels_and_on_0_to_100(tmp_path):
    good = dpam.load(checkpoint(tmp_path))
    (rated,) = good.rate([photograph(0)])
    assert rated.score == pytest.approx(1 + 4 * rated.score_100 / 100)
    assert str(good.scale) == "MOS from 1 to 5, higher is better"
    bad = dpam.load(checkpoint(tmp_path, higher_is_better=False))
    (turned,) = bad.rate([photograph(0)])
    assert turned.score_100 == rated.score_100
    assert turned.score == pytest.approx(6 - rated.score)
    assert bad.scale.quality(turned.score) == pytest.approx(rated.score_100 / 100)
    assert str(bad.scale) == "DMOS from 1 to 5, lower is better"
    falling = dpam.load(checkpoint(tmp_path, higher_is_better=False, predicts_dmos=True))
    (fallen,) = falling.rate([photograph(0)])
    assert fallen.score_100 == pytest.approx(100 - rated.score_100)
    assert fallen.score == pytest.approx(rated.score)
    lost = falling.explain(photograph(0)).lost_map
    assert np.mean(lost) == pytest.approx(1 - fallen.score_100 / 100, abs=1e-5)


def test_labels_that_were_learned_stretched_are_mapped_back(tmp_path):
    """Between the smallest and the largest label of the training, not over the declared range."""
    (plain,) = dpam.load(checkpoint(tmp_path)).rate([photograph(0)])
    predicted = plain.score_100 / 100
    assert 0 < predicted < 1
    for higher_is_better in (True, False):
        learned = {"scaling": "faithful", "learned_range": [0.25, 0.75]}
        path = checkpoint(tmp_path, higher_is_better=higher_is_better, **learned)
        model = dpam.load(path)
        (rated,) = model.rate([photograph(0)])
        assert rated.score_100 == pytest.approx(25 + 50 * predicted)
        native = 2 + 2 * predicted
        assert rated.score == pytest.approx(native if higher_is_better else 6 - native)
        assert rated.spread_100 == pytest.approx(plain.spread_100 / 2)
        lost = model.explain(photograph(0)).lost_map
        assert np.mean(lost) == pytest.approx(1 - rated.score_100 / 100, abs=1e-5)
        loss = dpam.create_metric(path, as_loss=True)(image(0)[None]).detach()
        assert float(loss) == pytest.approx(rated.score, rel=0.01)


@pytest.mark.parametrize("more", [{"scaling": "faithful"}, {"imported_from": {"file": "a.pt"}}])
def test_where_the_learned_range_is_not_known_scores_go_from_0_to_100(tmp_path, more):
    path = checkpoint(tmp_path, higher_is_better=False, **more)
    model = dpam.load(path)
    (rated,) = model.rate([photograph(0)])
    assert rated.score == rated.score_100
    assert str(model.scale) == "quality from 0 to 100, higher is better"
    assert str(model.labels) == "DMOS from 1 to 5, lower is better"
    metric = dpam.create_metric(path)
    assert metric.score_range == (0, 100)
    assert not metric.lower_better
    assert float(metric(image(0)[None])) == pytest.approx(rated.score)


@pytest.mark.parametrize("higher_is_better", [True, False])
@pytest.mark.parametrize("tilt", [{}, {"tilt": -1.5}])
@pytest.mark.parametrize("width", [0.05, 0.9])
def test_the_interval_reaches_to_both_sides_within_0_to_100(
    tmp_path, width, tilt, higher_is_better
):
    interval = {"coverage": 0.9, "half_width": width, **tilt, "images": 30}
    path = checkpoint(tmp_path, higher_is_better=higher_is_better, interval=interval)
    (rated,) = dpam.load(path).rate([photograph(0)])
    reach = width * (1 + tilt.get("tilt", 0) * (rated.score_100 / 100 - 0.5))
    assert rated.low == pytest.approx(max(0, rated.score_100 - 100 * reach))
    assert rated.high == pytest.approx(min(100, rated.score_100 + 100 * reach))
    between = f"{rated.score_100:.0f}, likely between {rated.low:.0f} and {rated.high:.0f}"
    assert str(rated) == between


def test_without_an_interval_none_is_told(path):
    (rated,) = dpam.load(path).rate([photograph(0)])
    assert (rated.low, rated.high) == (None, None)
    assert str(rated) == f"{rated.score_100:.0f}"


@pytest.mark.parametrize(
    "interval",
    [
        {},
        None,
        {"half_width": 3},
        {"half_width": float("nan")},
        {"half_width": 0.1, "tilt": 2.1},  # somewhere it would reach less than nothing
        {"half_width": 0.1, "tilt": float("nan")},
        {"half_width": 0.1, "tilt": None},
    ],
)
def test_an_interval_that_is_none_is_refused(tmp_path, interval):
    with pytest.raises(DpamError, match="is not told as it should be"):
        dpam.load(checkpoint(tmp_path, interval=interval))


@pytest.mark.parametrize("best", [True, False])
def test_scores_are_bounded_and_a_loss_keeps_its_gradient(path, best):
    net, metadata = load_checkpoint(path)
    last = net.regression.score[-1]
    with torch.no_grad():  # it says about 3, where 1 is the end
        last.weight.mul_(0.01)
        last.bias.fill_(3)
    path.unlink()
    save_checkpoint(path, net, metadata | {"predicts_dmos": not best})
    (rated,) = dpam.load(path).rate([photograph(0)])
    assert (rated.score_100, rated.score) == ((100, 5) if best else (0, 1))
    assert float(dpam.create_metric(path)(image(0)[None])) == rated.score
    moved = image(0)[None].requires_grad_()
    loss = dpam.create_metric(path, as_loss=True)(moved)
    assert abs(float(loss.detach()) - rated.score) > 4
    loss.sum().backward()
    assert moved.grad.abs().max() > 0


def test_views_are_those_of_the_checkpoint(tmp_path):
    rgb = photograph(0, 100, 120)
    boxes = {
        views: len(dpam.load(checkpoint(tmp_path, "crop", **more)).explain(rgb).picture.boxes)
        for views, more in ((5, {}), (1, {"views": 1}), (9, {"views": 9}))
    }
    assert boxes == {5: 5, 1: 1, 9: 9}
    path = checkpoint(tmp_path, "crop", views=1)
    assert [rated.spread_100 for rated in dpam.load(path).rate([rgb])] == [0]
    asked = dpam.load(path, views=9)
    (rated,) = asked.rate([rgb])
    assert rated.spread_100 > 0
    metric = dpam.create_metric(path, views=9)(planes(rgb)[None].float() / 255)
    assert float(metric) == pytest.approx(rated.score)
    with pytest.raises(DpamError, match=r"^views: expected whole, 1, 4, 5, 9, 16, 25; found 7$"):
        dpam.load(path, views=7)
    with pytest.raises(DpamError, match="views 7"):
        dpam.load(checkpoint(tmp_path, "crop", views=7))


def test_a_network_that_reads_all_of_a_photograph_has_no_other_views(tmp_path):
    path = checkpoint(tmp_path, "whole")
    with pytest.raises(DpamError, match="views: 9, but this network reads photographs whole"):
        dpam.load(path, views=9)
    assert dpam.load(path, views="whole").score(photograph(0)) == dpam.load(path).score(
        photograph(0)
    )


def test_a_view_of_the_whole_photograph(tmp_path):
    path = checkpoint(tmp_path, "crop", views="whole")
    explanation = dpam.load(path).explain(photograph(0, 100, 120))
    assert explanation.picture.boxes.tolist() == [[0, 0, 100, 120]]
    assert not np.isnan(explanation.score_map).any()
    loss = dpam.create_metric(path, as_loss=True)(image(0, 100, 120)[None]).detach()
    assert float(loss) == pytest.approx(explanation.score.score, rel=0.01)


def test_what_is_lost_adds_up_to_what_the_score_lacks(path):
    explanation = dpam.load(path).explain(photograph(2, 120, 192))
    photo, boxes = explanation.picture.photo, explanation.picture.boxes
    assert explanation.lost_map.shape == photo.shape[:2] == (120, 192)
    assert explanation.picture.label_map.shape == explanation.picture.texture.shape == (120, 192)
    means = []
    for box, score, weight in zip(
        boxes, explanation.prediction.token_score, explanation.prediction.token_weight, strict=True
    ):
        assert 0 <= box[0] < box[2] <= 120
        assert 0 <= box[1] < box[3] <= 192
        means.append((score * weight).sum() / weight.sum())
    np.testing.assert_allclose(means, explanation.prediction.quality, rtol=1e-5)
    assert np.mean(means) == pytest.approx(explanation.score.score_100 / 100, rel=1e-5)
    if len(boxes) == 1:
        lost = explanation.lost_map.mean()
        assert lost == pytest.approx(1 - explanation.score.score_100 / 100, rel=1e-4)
        assert explanation.weight_map.mean() == pytest.approx(1, rel=1e-4)
    else:
        seen = np.zeros(photo.shape[:2], bool)
        for top, left, bottom, right in boxes:
            seen[top:bottom, left:right] = True
        assert (np.isnan(explanation.score_map) == ~seen).all()
        assert not seen.all()


def test_maps_of_a_large_photograph_are_small():
    prepared = prepare(photograph(0, 2000, 1200), preparation("whole"))
    from dpam.inference.explanations import picture

    shown = picture(photograph(0, 2000, 1200), *prepared, 64, 5)
    assert shown.photo.shape == (1024, 614, 3)
    assert shown.boxes.tolist() == [[0, 0, 1024, 614]]


@pytest.mark.parametrize("as_loss", [False, True])
def test_a_module_takes_every_form(path, tmp_path, as_loss):
    """The same as `score`, and the same with and without gradients."""
    metric = dpam.create_metric(path, as_loss=as_loss)
    rgb = photograph(0)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    with torch.no_grad():
        expected = metric(planes(rgb)[None].float() / 255)
        assert expected.shape == (1,)
        forms = [planes(rgb), rgb, planes(rgb)[None], str(tmp_path / "a.png"), [rgb], iter([rgb])]
        for form in forms:
            np.testing.assert_allclose(metric(form), expected, rtol=1e-5)
        half = metric(planes(rgb)[None].bfloat16() / 255)  # which rounds the colours
        np.testing.assert_allclose(half, expected, rtol=0.02)
        with torch.autocast("cpu", torch.bfloat16):
            np.testing.assert_array_equal(metric(image(0)[None]), expected)
    empty = torch.zeros(0, 3, 40, 40, requires_grad=True)
    assert metric(empty).shape == (0,)
    if as_loss:
        metric(empty).sum().backward()
    for wrong, words in ((image(0)[None] * 255, "from 0 to 1; found float32 from 0.* to 255"),
                         (image(0)[None] * 2 - 1, "found float32 from -1 to 1"),
                         (None, "found NoneType")):  # fmt: skip
        with pytest.raises(DpamError, match=words):
            metric(wrong)


def test_gradients_pass_through_16_bits_and_autocast(path):
    metric = dpam.create_metric(path, as_loss=True)
    images = image(0)[None].bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = metric(images)
    loss.sum().backward()
    assert loss.dtype == torch.float32
    assert images.grad.dtype == torch.bfloat16
    assert images.grad.abs().max() > 0


def test_a_module_in_float64_scores_as_in_float32(path):
    metric = dpam.create_metric(path)
    before = metric(image(0)[None])
    np.testing.assert_allclose(metric.double()(image(0)[None]), before, rtol=1e-4)


def test_models_say_what_they_are(tmp_path):
    path = checkpoint(tmp_path, "crop", title="Tiny")
    said = repr(dpam.load(path, device="cpu"))
    assert said == (
        "Scorer(DPAM with test_vit at 64x64, trained on Tiny; MOS from 1 to 5, higher is better; "
        "views: 5; on cpu)"
    )
    assert repr(dpam.create_metric(path, device="cpu")) == f"IqaMetric({said}, as_loss=False)"
    whole = checkpoint(tmp_path, "whole", title="Tiny")
    assert "views: whole" in repr(dpam.load(whole, device="cpu")), "it is scored in one piece"


def test_one_photograph_is_rated_as_well_as_several(path, tmp_path):
    model, rgb = dpam.load(path), photograph(0)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    (expected,) = model.rate([rgb])
    for one in (rgb, str(tmp_path / "a.png"), (tmp_path / "a.png").read_bytes()):
        assert list(model.rate(one)) == [expected]
    with pytest.raises(DpamError, match="found NoneType"):
        model.rate(None)


def test_a_module_gives_the_scores(path):
    model, metric = dpam.load(path), dpam.create_metric(path)
    images = torch.stack([image(0), image(1)])
    found = metric(images)
    assert found.shape == (2,)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, model.score(images), rtol=1e-6)
    assert metric.score_range == (1, 5)
    assert not metric.lower_better
    assert not metric.train().net.training
    loss = dpam.create_metric(path, as_loss=True)
    np.testing.assert_allclose(loss(images).detach(), found, rtol=0.01)


@pytest.mark.parametrize("method", ["none", "slic"])
def test_images_in_full_are_judged_and_optimised_by_either_network(tmp_path, method):
    """The differentiable score is that of the file, but for rounding to 8 bits."""
    torch.manual_seed(3)
    settings = (
        {"network": "pooled", "out_indices": [1, 3]} if method == "none" else {"embed_dim": 16}
    )
    net = create(backbone="test_vit", image_size=64, **settings)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    metadata = {**ABOUT, "preparation": vars(in_full(method))}
    save_checkpoint(tmp_path / "model.safetensors", net, metadata)
    metric = dpam.create_metric(tmp_path / "model.safetensors")
    loss = dpam.create_metric(tmp_path / "model.safetensors", as_loss=True)
    images = torch.stack([image(seed, 85, 96) for seed in range(2)]).requires_grad_()
    scores = metric(images)
    torch.testing.assert_close(loss(images), scores, rtol=0, atol=0.02)
    assert scores[0] != scores[1]
    loss(images).sum().backward()
    assert images.grad.abs().sum() > 0
    model = dpam.load(tmp_path / "model.safetensors")
    shown = model.explain(photograph(0, 85, 96))
    assert shown.picture.boxes.tolist() == [[0, 0, 85, 96]]
    assert not np.isnan(shown.lost_map).any()
    assert (shown.picture.texture is None) == (method == "none")


def test_scores_of_dmos_are_lower_better(tmp_path):
    path = checkpoint(tmp_path, higher_is_better=False)
    metric, loss = dpam.create_metric(path), dpam.create_metric(path, as_loss=True)
    assert metric.lower_better
    np.testing.assert_allclose(metric(image(0)[None]), loss(image(0)[None]).detach(), rtol=0.01)


def test_gradients_are_those_of_finite_differences(path):
    """In float64, superpixels and texture held fixed; also after use without gradients."""
    torch.manual_seed(0)
    metric = dpam.create_metric(path, as_loss=True)
    metric.scorer.score(photograph(0))
    metric(image(0)[None])
    metric.double()
    start = image(0).double()
    held = metric.fixed_inputs(start)
    point = start.clone().requires_grad_()
    metric.one(point, held).backward()
    assert point.grad is not None
    for _ in range(3):
        way = torch.randn_like(start)
        step = 1e-5
        with torch.no_grad():
            ahead, behind = (metric.one(start + sign * step * way, held) for sign in (1, -1))
        expected = float(ahead - behind) / (2 * step)
        assert abs(expected) > 1e-6
        assert float((point.grad * way).sum()) == pytest.approx(expected, rel=1e-4)


def test_gradients_of_a_batch_reach_every_image(path):
    metric = dpam.create_metric(path, as_loss=True)
    images = torch.stack([image(0), image(1)]).requires_grad_()
    metric(images).sum().backward()
    assert (images.grad.abs().amax(dim=(1, 2, 3)) > 0).all()
    assert all(parameter.grad is None for parameter in metric.parameters())


def test_colours_are_the_statistics_of_the_label_map():
    rgb = photograph(4)
    _, segmentation = prepare(rgb, preparation("whole"))
    expected = label_map_statistics(segmentation.label_map, rgb)
    found = colours(
        planes(rgb).double() / 255, torch.from_numpy(segmentation.label_map.astype(int))
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("kind", ["wrapped", "signed"])
def test_the_texture_shown_is_the_networks(tmp_path, kind):
    how = vars(replace(preparation("crop"), texture=kind))
    model = dpam.load(checkpoint(tmp_path, preparation=how))
    shown = model.explain(photograph(0, 100, 120)).picture
    expected = texture(planes(photograph(0, 100, 120))[None], kind)[0, 0]
    np.testing.assert_array_equal(shown.texture, expected)
    assert shown.signed == (kind == "signed") == (shown.texture.min() < 0)
    assert shown.texture.max() <= 1


@pytest.mark.parametrize("path", [5, b"model.safetensors"])
def test_what_is_no_name_of_a_checkpoint_is_refused(path):
    with pytest.raises(DpamError, match=r"expected the name of a checkpoint; found (int|bytes)$"):
        dpam.load(path)


def test_a_folder_is_no_checkpoint_and_is_named_once(tmp_path):
    with pytest.raises(DpamError) as caught:
        dpam.load(tmp_path)
    assert str(caught.value) == f"{tmp_path}: cannot be read: Is a directory"
