"""AINet: its parts against plain loops, its files, and that training teaches it something."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage import data

from dpam.errors import DpamError
from dpam.superpixels.ainet import (
    AINet,
    LocalAttention,
    ainet,
    load_ainet,
    neighbourhoods,
    owners,
    save_ainet,
)
from dpam.superpixels.ainet_settings import AINetSettings
from dpam.superpixels.ainet_training import (
    loss_of,
    rebuild,
    square,
    train_ainet,
)
from dpam.superpixels.slico import slico


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return AINet().eval()


def test_local_attention_is_that_of_plain_loops():
    torch.manual_seed(0)
    attention = LocalAttention(4, dilation=2).eval()
    cells = torch.randn(1, 4, 5, 6)
    with torch.no_grad():
        found = attention(cells)[0]
        query, key, value = (
            part(cells)[0] for part in (attention.query, attention.key, attention.value)
        )

    def at(maps, c, y, x):
        return float(maps[c, y, x]) if 0 <= y < 5 and 0 <= x < 6 else 0.0

    around = [(dy, dx) for dy in (-2, 0, 2) for dx in (-2, 0, 2)]
    for c, y, x in [(0, 0, 0), (1, 2, 3), (3, 4, 5), (2, 4, 0)]:
        logits = [float(query[c, y, x]) * at(key, c, y + v, x + u) / 2 for v, u in around]
        weight = np.exp(logits) / np.exp(logits).sum()
        expected = sum(
            w * at(value, c, y + v, x + u) for w, (v, u) in zip(weight, around, strict=True)
        )
        assert float(found[c, y, x]) == pytest.approx(expected, abs=1e-5)


def test_association_is_a_distribution(net):
    with torch.no_grad():
        association = net(torch.rand(2, 3, 48, 64))
    assert association.shape == (2, 9, 48, 64)
    torch.testing.assert_close(association.sum(dim=1), torch.ones(2, 48, 64))
    assert (association >= 0).all()


def test_blocks_hold_the_own_cell_in_the_centre_and_its_neighbours_around_it(net, monkeypatch):
    seen = {}
    hook = net.implant.register_forward_pre_hook(lambda _, inputs: seen.update(map=inputs[0][0]))
    cells = net.cells.register_forward_hook(lambda _, __, output: seen.update(cells=output[0]))
    pixels = net.decoder[-1].register_forward_hook(
        lambda _, __, output: seen.update(pixels=output[0])
    )
    with torch.no_grad():
        net(torch.rand(1, 3, 48, 32))
    for handle in (hook, cells, pixels):
        handle.remove()
    assert seen["map"].shape == (16, 144, 96)
    for y, x in [(0, 0), (17, 5), (30, 31), (47, 16)]:
        block = seen["map"][:, 3 * y : 3 * y + 3, 3 * x : 3 * x + 3]
        for v in range(3):
            for u in range(3):
                row, column = y // 16 + v - 1, x // 16 + u - 1
                expected = torch.zeros(16)
                if 0 <= row < 3 and 0 <= column < 2:
                    expected = seen["cells"][:, row, column].clone()
                if (v, u) == (1, 1):
                    expected += seen["pixels"][:, y, x]
                torch.testing.assert_close(block[:, v, u], expected)


def test_owners_are_the_most_probable_cells_inside_the_image():
    association = torch.zeros(1, 9, 32, 48)
    association[:, 0] = 0.6  # top left ...
    association[:, 5] = 0.4  # ... and else to the right
    found = owners(association)[0]
    assert found.shape == (32, 48)
    assert found[20, 20] == 0  # row 1, column 1 of 2 x 3: top left is cell 0
    assert found[20, 3] == 4  # nothing to the left: right of cell 3
    assert found[3, 20] == 2
    numbers = neighbourhoods(torch.arange(6.0).view(1, 1, 2, 3))
    assert numbers[0, 0, :, 1, 1].tolist() == [0, 1, 2, 3, 4, 5, 0, 0, 0]


def test_rebuilt_features_are_those_of_plain_loops():
    torch.manual_seed(1)
    features = torch.rand(1, 2, 32, 48)
    association = torch.rand(1, 9, 32, 48).softmax(dim=1)
    sums, weights = np.zeros((2, 2, 3)), np.zeros((2, 3))
    places = [(y, x, k) for y in range(32) for x in range(48) for k in range(9)]

    def cell(y, x, k):
        row, column = y // 16 + k // 3 - 1, x // 16 + k % 3 - 1
        return (row, column) if 0 <= row < 2 and 0 <= column < 3 else None

    f, a = features[0].numpy().astype(float), association[0].numpy().astype(float)
    for y, x, k in places:
        if place := cell(y, x, k):
            sums[:, *place] += a[k, y, x] * f[:, y, x]
            weights[place] += a[k, y, x]
    expected = np.zeros((2, 32, 48))
    for y, x, k in places:
        if place := cell(y, x, k):
            expected[:, y, x] += a[k, y, x] * sums[:, *place] / weights[place]
    np.testing.assert_allclose(rebuild(features, association)[0].numpy(), expected, atol=1e-5)


def test_the_loss_prefers_associations_that_keep_the_labels():
    labels = torch.zeros(1, 32, 32, dtype=torch.long)
    labels[:, :, 16:] = 1  # along the cells' borders
    own, right = (torch.full((1, 9, 32, 32), 1e-6) for _ in range(2))
    own[:, 4], right[:, 5] = 1, 1
    assert loss_of(own, labels, 0.003) < 0.2 * loss_of(right, labels, 0.003)
    assert loss_of(own, labels, 0.003) < loss_of(own, labels, 0.03)


def test_squares_keep_image_and_labels_together():
    labels = np.arange(64 * 80).reshape(64, 80)
    image = np.stack([labels % 256, labels // 256, np.zeros_like(labels)], axis=2).astype(np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(20):
        cut, of = square(image, labels, 48, rng)
        assert cut.shape == (48, 48, 3)
        np.testing.assert_array_equal(cut[..., 0] + 256 * cut[..., 1].astype(int), of)


def test_training_lowers_the_loss_and_repeats():
    images = [data.astronaut()[40:104, 150:214], data.coffee()[100:164, 200:264]]
    how = AINetSettings(steps=16, batch_size=2, learning_rate=2e-3)

    def segment(image):
        return slico(image, 20, 10, 5, "numba")

    net, history = train_ainet(images, segment, how, torch.device("cpu"))
    assert np.mean(history[-4:]) < 0.8 * np.mean(history[:4])
    again, same = train_ainet(images, segment, AINetSettings(2, 2, 2e-3), torch.device("cpu"))
    assert same == history[:2]
    labels = ainet(images[0], net, 20)
    assert labels.shape == (64, 64)
    assert labels.dtype == np.uint16
    assert np.unique(labels).tolist() == list(range(labels.max() + 1))
    assert not again.training


def test_weights_come_back_from_either_kind_of_file(tmp_path, net):
    save_ainet(tmp_path / "a.safetensors", net, {"images": 2})
    torch.save({"state_dict": net.state_dict()}, tmp_path / "a.pth")
    for file in ("a.safetensors", "a.pth"):
        found = load_ainet(str(tmp_path / file))
        torch.testing.assert_close(found.state_dict(), net.state_dict())


def test_what_is_no_weights_file_is_explained(tmp_path):
    with pytest.raises(DpamError, match=r"ainet needs weights.*train-ainet"):
        load_ainet(None)
    with pytest.raises(DpamError, match=r"nothing\.pth: no such file"):
        load_ainet(str(tmp_path / "nothing.pth"))
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(DpamError, match=r"other\.safetensors: .* do not fit"):
        load_ainet(str(tmp_path / "other.safetensors"))
