"""Quality measures of label maps against plain loops over pixels."""

import numpy as np
import pytest

from dpam.superpixels import quality


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 7, (6, 8)), np.ones((5, 5), int))
    labels[rng.random(labels.shape) < 0.05] = 8  # 7 never occurs
    reference = np.kron(rng.integers(0, 3, (4, 5)), np.ones((8, 8), int))[:30, :40] * 10
    image = rng.integers(0, 256, (30, 40, 3), np.uint8)
    return labels, reference, image


def test_boundary_recall(maps, monkeypatch):
    labels, reference, _ = maps
    height, width = labels.shape

    def edge(y, x, of):
        return any(
            of[v, u] != of[y, x] for v, u in ((y, x + 1), (y + 1, x)) if v < height and u < width
        )

    def near(y, x, radius):
        return any(
            edge(v, u, labels)
            for v in range(max(0, y - radius), min(height, y + radius + 1))
            for u in range(max(0, x - radius), min(width, x + radius + 1))
        )

    places = [(y, x) for y in range(height) for x in range(width) if edge(y, x, reference)]
    assert 0.0025 * np.hypot(height, width) < 0.5  # radius 0
    expected = np.mean([near(y, x, 0) for y, x in places])
    assert quality.boundary_recall(labels, reference) == pytest.approx(expected)
    assert 0.1 < expected < 0.9

    times = 8  # as large, the radius is 1
    large, wide = (np.kron(m, np.ones((times, times), int)) for m in (labels, reference))
    shifted = np.roll(wide, 1, axis=1)
    shifted[:, 0] = wide[:, 0]
    assert quality.boundary_recall(shifted, wide) == 1
    assert quality.boundary_recall(large, wide) < 1


def test_a_map_recalls_itself_and_everything_recalls_nothing(maps):
    labels, reference, _ = maps
    nothing = np.zeros_like(labels)
    assert quality.boundary_recall(reference, reference) == 1
    assert quality.boundary_recall(labels, nothing) == 1
    assert quality.boundary_recall(nothing, reference) == 0


def test_accuracy_and_undersegmentation(maps):
    labels, reference, _ = maps
    best = leak = 0
    for superpixel in np.unique(labels):
        inside = labels == superpixel
        shares = [(inside & (reference == segment)).sum() for segment in np.unique(reference)]
        best += max(shares)
        leak += sum(min(share, inside.sum() - share) for share in shares)
    assert quality.achievable_accuracy(labels, reference) == pytest.approx(best / labels.size)
    assert quality.undersegmentation(labels, reference) == pytest.approx(leak / labels.size)
    assert quality.achievable_accuracy(reference, reference) == 1
    assert quality.undersegmentation(reference, reference) == 0


def test_compactness(maps):
    labels, _, _ = maps
    height, width = labels.shape
    expected = 0.0
    for superpixel in np.unique(labels):
        perimeter = 0
        for y, x in np.argwhere(labels == superpixel):
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                within = 0 <= v < height and 0 <= u < width
                perimeter += not within or labels[v, u] != superpixel
        area = (labels == superpixel).sum()
        expected += area * 4 * np.pi * area / perimeter**2
    assert quality.compactness(labels) == pytest.approx(expected / labels.size)
    squares = np.kron(np.arange(12).reshape(3, 4), np.ones((9, 9), int))
    assert quality.compactness(squares) == pytest.approx(np.pi / 4)


def test_explained_variation(maps):
    labels, _, image = maps
    flattened = image.astype(float)
    for superpixel in np.unique(labels):
        flattened[labels == superpixel] = image[labels == superpixel].mean(axis=0)
    centre = image.mean(axis=(0, 1))
    expected = ((flattened - centre) ** 2).sum() / ((image - centre) ** 2).sum()
    assert quality.explained_variation(labels, image) == pytest.approx(expected)
    assert quality.explained_variation(labels, flattened) == pytest.approx(1)
    assert quality.explained_variation(labels, np.full((30, 40, 3), 9)) == 1
