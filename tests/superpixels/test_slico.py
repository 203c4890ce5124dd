"""SLICO: the released answers with OpenCV, and what any label map must be with each backend."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import data
from skimage.color import rgb2lab

from dpam.datasets import find
from dpam.errors import DpamError
from dpam.pack.preparation import select
from dpam.superpixels.kernels import LANES, cluster, connect, lab_of
from dpam.superpixels.methods import by_slic
from dpam.superpixels.slico import BACKENDS, resize_by_opencv, slico, without_gaps
from dpam.superpixels.slico_torch import slico_together
from dpam.superpixels.statistics import sampled_statistics

CASES = json.loads((Path(__file__).parents[1] / "data/preprocessing.json").read_text())["cases"]
needs_opencv = pytest.mark.skipif(
    not find_spec("cv2"), reason="OpenCV is not installed: pip install '.[opencv]'"
)
EACH_BACKEND = [
    pytest.param(name, marks=needs_opencv if name == "opencv" else ()) for name in BACKENDS
]


def pieces(labels):
    """How many connected pieces (4-neighbourhood) each label has."""
    return [ndimage.label(labels == label)[1] for label in np.unique(labels)]


@needs_opencv
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['photo']}-{case['recipe']}")
def test_opencv_gives_the_released_superpixels(case):
    photograph = getattr(data, case["photo"])()[..., :3]
    height, width = case["superpixels"]["label_map"]["shape"]
    recipe = find(case["recipe"]).recipe
    rgb = resize_by_opencv(photograph, width, height)
    golden = case["superpixels"]
    labels = slico(rgb, recipe.region_size, recipe.compactness, recipe.iterations, "opencv")
    assert labels.max() + 1 == golden["opencv_count"]
    np.testing.assert_array_equal(
        labels.reshape(-1)[golden["label_map"]["index"]], golden["label_map"]["value"]
    )
    assert labels.mean() == pytest.approx(golden["label_map"]["mean"], abs=1e-9)
    assert labels.std() == pytest.approx(golden["label_map"]["std"], abs=1e-9)

    chosen = select(labels.max() + 1, recipe.count)
    assert chosen.tolist() == golden["selected"]
    mean, covariance = sampled_statistics(labels, rgb[..., ::-1], recipe.pixels)
    count = np.bincount(labels.reshape(-1))[chosen]
    assert count.tolist() == golden["pixels"]
    # Of superpixels with fewer pixels than are taken, the release took a random sample.
    fixed = np.array(golden["deterministic"])
    np.testing.assert_array_equal(count >= recipe.pixels, fixed)
    for found, name in ((mean, "mean_bgr"), (covariance, "covariance_bgr")):
        expected = np.array(golden[name])
        np.testing.assert_allclose(found[chosen][fixed], expected[fixed], atol=1e-6)


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_label_maps_have_no_gaps_and_repeat(backend):
    image = data.astronaut()[:200, :300]
    labels = slico(image, 30, 10, 10, backend)
    assert labels.shape == (200, 300)
    assert labels.dtype == np.uint16
    assert np.unique(labels).tolist() == list(range(labels.max() + 1))
    assert 40 < labels.max() < 100
    np.testing.assert_array_equal(slico(image.copy(), 30, 10, 10, backend), labels)


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    region=st.integers(1, 40),
    kind=st.sampled_from(["noise", "flat", "ramp", "blocks"]),
    seed=st.integers(0, 9),
)
def test_every_pixel_has_a_connected_superpixel(height, width, region, kind, seed):
    rng = np.random.default_rng(seed)
    image = {
        "noise": rng.integers(0, 256, (height, width, 3)),
        "flat": np.full((height, width, 3), seed * 28),
        "ramp": np.arange(height * width * 3).reshape(height, width, 3) % 256,
        "blocks": np.kron(rng.integers(0, 256, (height, width, 3)), np.ones((4, 4, 1)))[
            :height, :width
        ],
    }[kind].astype(np.uint8)
    together = slico_together(image[None].repeat(2, axis=0), region, 10, 4, CPU)
    np.testing.assert_array_equal(together[0], together[1])
    alone = slico(image, region, 10, 4, "numba")
    np.testing.assert_array_equal(slico(image, region, 10, 4, "numba"), alone)
    for labels in alone, without_gaps(together[0]):
        assert labels.shape == (height, width)
        assert np.unique(labels).tolist() == list(range(labels.max() + 1))
        assert set(pieces(labels)) == {1}


def photographs():
    """Of two sizes, alternating."""
    found = [whole[:150, 50:270] for whole in (data.astronaut(), data.coffee(), data.chelsea())]
    return [image if number % 2 else image[:140] for number, image in enumerate(found * 2)]


CPU = torch.device("cpu")
HOW = SimpleNamespace(region_size=20, compactness=10, iterations=10, backend="torch")


def test_torch_gives_what_numba_gives(monkeypatch):
    """Here on the processor; in the pipeline numba computes there."""
    images = np.stack(photographs()[::2])
    found = slico_together(images, 20, 10, 10, CPU)
    expected = np.stack([slico(image, 20, 10, 10, "numba") for image in images])
    assert (found == expected).mean() >= 0.999
    monkeypatch.setattr("dpam.superpixels.slico_torch.AT_ONCE", 1)
    np.testing.assert_array_equal(slico_together(images, 20, 10, 10, CPU), found, "one by one")


def test_torch_takes_images_of_each_size_together(monkeypatch):
    """On a device that is no processor; what computes there is pretended."""
    sizes = []

    def pretended(images, *how):
        sizes.append(images.shape)
        return np.stack([slico(image, *how[:3], "numba") for image in images])

    monkeypatch.setattr("dpam.superpixels.slico_torch.slico_together", pretended)
    images = photographs()
    found = by_slic(images, HOW, torch.device("cuda"))
    assert sorted(sizes) == [(3, 140, 220, 3), (3, 150, 220, 3)]
    for image, labels in zip(images, found, strict=True):
        assert labels.dtype == np.uint16
        np.testing.assert_array_equal(labels, slico(image, 20, 10, 10, "numba"))
    sizes.clear()
    np.testing.assert_array_equal(by_slic(images, HOW, CPU)[0], found[0])
    assert not sizes


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_what_numba_gives():
    images = photographs()
    found = by_slic(images, HOW, torch.device("cuda"))
    expected = [slico(image, 20, 10, 10, "numba") for image in images]
    pairs = list(zip(found, expected, strict=True))
    assert sum((a == b).sum() for a, b in pairs) >= 0.999 * sum(b.size for _, b in pairs)


def test_numba_gives_the_same_in_threads():
    photographs = [data.astronaut()[:, :400], data.coffee(), data.chelsea()] * 4
    alone = [slico(image, 40, 10, 5, "numba") for image in photographs]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda image: slico(image, 40, 10, 5, "numba"), photographs))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_lab_is_cielab():
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    image[0, :2] = [[0, 0, 0], [255, 255, 255]]
    np.testing.assert_allclose(lab_of(image).transpose(1, 2, 0), rgb2lab(image), atol=0.01)


def plain_clusters(lab, rows, columns, compactness, iterations):
    """SLICO's k-means by the formulas of the paper, every cluster in turn on whole arrays."""
    _, height, width = lab.shape
    side = np.sqrt(height * width / (rows * columns))
    y, x = np.mgrid[:height, :width]
    labels = y * rows // height * columns + x * columns // width
    gradient = np.full((height, width), np.inf)
    gradient[1:-1, 1:-1] = (
        (lab[:, 1:-1, 2:] - lab[:, 1:-1, :-2]) ** 2 + (lab[:, 2:, 1:-1] - lab[:, :-2, 1:-1]) ** 2
    ).sum(axis=0)
    centres = []
    for k in range(rows * columns):
        v, u = (
            int((k // columns + 0.5) * height / rows),
            int((k % columns + 0.5) * width / columns),
        )
        near = gradient[v - 1 : v + 2, u - 1 : u + 2]
        dv, du = np.unravel_index(near.argmin(), near.shape)
        v, u = v - 1 + dv, u - 1 + du
        centres.append(np.array([*lab[:, v, u], u, v]))
    reach = np.full(len(centres), float(compactness) ** 2)
    for _ in range(iterations):
        nearest = np.full((height, width), np.inf)
        colour = [((lab - centre[:3, None, None]) ** 2).sum(axis=0) for centre in centres]
        for k, centre in enumerate(centres):
            space = (x - centre[3]) ** 2 + (y - centre[4]) ** 2
            distance = colour[k] / reach[k] + space / side**2
            left = max(0, int(centre[3] - side)) // LANES * LANES
            right = -(-int(centre[3] + side + 1) // LANES) * LANES
            inside = (np.abs(y - centre[4]) <= side) & (left <= x) & (x < right)
            closer = inside & (distance < nearest)
            nearest[closer], labels[closer] = distance[closer], k
        for k in range(len(centres)):
            mine = labels == k
            if mine.any():
                reach[k] = max(reach[k], colour[k][mine].max())
                centres[k] = np.array([*lab[:, mine].mean(axis=1), x[mine].mean(), y[mine].mean()])
    return labels


@pytest.mark.parametrize("iterations", [1, 5])
def test_clusters_are_those_of_the_plain_formulas(iterations):
    lab = lab_of(np.ascontiguousarray(data.coffee()[100:240, 150:342]))
    found = cluster(lab, 4, 5, 10.0, iterations)
    expected = plain_clusters(lab.astype(np.float64), 4, 5, 10, iterations)
    assert (found == expected).mean() > 0.999  # ties of float32


def test_small_pieces_join_a_neighbour_and_large_ones_stand_alone():
    labels = np.array(
        [
            [0, 0, 0, 0, 1, 1, 1],
            [0, 2, 0, 0, 1, 0, 0],
            [0, 0, 0, 0, 1, 0, 0],
        ],
        np.int32,
    )
    found = connect(labels, 3)
    np.testing.assert_array_equal(
        found, [[0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 2, 2], [0, 0, 0, 0, 1, 2, 2]]
    )


def test_numba_is_imported_when_it_is_needed():
    code = "import sys, dpam.pack.preparation; assert not {'numba', 'cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_opencv_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(DpamError, match=r"is not installed: pip install '\.\[opencv\]'"):
        slico(np.zeros((40, 40, 3), np.uint8), 10, 10, 1, "opencv")
