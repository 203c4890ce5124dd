"""SLICO for a GPU: many images at once, by PyTorch.

The same k-means as `dpam.superpixels.kernels.cluster`, with the same windows and the same ties, of
all clusters at once. Each cluster looks at its window; a pixel goes to the nearest, of equally near
ones to the first. Sums are of whole numbers, so their order does not matter and equal input gives
equal output. The processor makes superpixels connected, as for the other backends.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dpam.superpixels import kernels
from dpam.superpixels.slico import SMALLEST_PIECE, grid

AT_ONCE = 2**25  # pixels in the windows of all clusters, together; memory is some 40 bytes of each
EXACT = 2**20  # parts of a unit of L, a, b and of a pixel that sums count


def slico_together(
    images: np.ndarray, region_size: int, compactness: float, iterations: int, device: torch.device
) -> np.ndarray:
    """Segment images of one size.

    Args:
        images: (B, H, W, 3) uint8 RGB.
        region_size: side of the initial grid's cells, pixels.
        compactness: what the adaptive one starts from.
        iterations: rounds of k-means.
        device: where they run.

    Returns:
        (B, H, W) int32 label maps of connected superpixels.
    """
    rows, columns = grid(images[0], region_size)
    _, height, width = images.shape[:3]
    smallest = SMALLEST_PIECE * height * width / (rows * columns)
    window = Window.of(height, width, rows, columns)
    together = max(1, AT_ONCE // (rows * columns * window.tall * window.wide))
    found = []
    for start in range(0, len(images), together):
        lab = lab_of(torch.from_numpy(images[start : start + together]).to(device))
        labels = cluster(lab, rows, columns, compactness, iterations, window).cpu().numpy()
        found += [kernels.connect(one, smallest) for one in labels]
    return np.stack(found)


class Window(NamedTuple):
    """The window of a cluster: `side` pixels in each direction, in width to whole stretches.

    Attributes:
        side: of a cell of the grid, pixels.
        tall: rows at most.
        wide: columns at most.
    """

    side: float
    tall: int
    wide: int

    @classmethod
    def of(cls, height: int, width: int, rows: int, columns: int) -> "Window":
        """That of a grid."""
        side = float(np.sqrt(height * width / (rows * columns)))
        stretches = -(-int(2 * side + 2) // kernels.LANES) + 2
        return cls(side, int(2 * side) + 2, min(stretches * kernels.LANES, width))


def lab_of(images: Tensor) -> Tensor:
    """CIE-Lab (D65) of (B, H, W, 3) uint8 RGB as (B, 3, H W) float32."""

    def constant(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(images.device)

    linear = constant(kernels.LINEAR)[images.long()]
    shares, root = constant(kernels.SHARES), constant(kernels.ROOT)

    def f(row: int) -> Tensor:
        r, g, b = linear.unbind(dim=3)
        t = shares[row, 0] * r + shares[row, 1] * g + shares[row, 2] * b
        i = t.int().long()
        return root[i] + (t - i) * (root[i + 1] - root[i])

    x, y, z = f(0), f(1), f(2)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def cluster(
    lab: Tensor, rows: int, columns: int, compactness: float, iterations: int, window: Window
) -> Tensor:
    """k-means on (B, 3, H, W) float32 Lab; (B, H, W) int32 labels. See `kernels.cluster`."""
    batch, _, height, width = lab.shape
    y, x = (torch.arange(length, device=lab.device) for length in (height, width))
    home = (y * rows // height)[:, None] * columns + x * columns // width
    labels = home.flatten().repeat(batch, 1)
    centre = first_centres(lab, rows, columns)
    flat = lab.flatten(2)
    # Squared colour distance seen so far.
    reach = torch.full(centre.shape[:2], compactness**2, dtype=torch.float32, device=lab.device)
    for _ in range(iterations):
        nearest = claimed(flat, height, width, centre, reach, window)
        labels = torch.where(nearest < rows * columns, nearest, labels)
        centre, reach = moved(flat, width, labels, centre, reach)
    return labels.view(batch, height, width).int()


def first_centres(lab: Tensor, rows: int, columns: int) -> Tensor:
    """(B, K, 5) float64: L, a, b, x, y of the lowest gradient around the middle of each cell."""
    batch, _, height, width = lab.shape
    gradient = lab.new_full((batch, height, width), torch.inf, dtype=torch.float64)
    if height > 2 and width > 2:
        across = (lab[:, :, 1:-1, 2:] - lab[:, :, 1:-1, :-2]).double() ** 2
        down = (lab[:, :, 2:, 1:-1] - lab[:, :, :-2, 1:-1]).double() ** 2
        gradient[:, 1:-1, 1:-1] = (across + down).sum(dim=1)
    k = np.arange(rows * columns)
    v = ((k // columns + 0.5) * height / rows).astype(int)
    u = ((k % columns + 0.5) * width / columns).astype(int)
    dv, du = np.mgrid[-1:2, -1:2].reshape(2, 9, 1)
    tall, wide = (v + dv).clip(0, height - 1), (u + du).clip(0, width - 1)  # (9, K)
    near = gradient[:, tall, wide].cpu().numpy()  # the border has none
    best = near.argmin(axis=1)  # (B, K)
    known = np.isfinite(near.min(axis=1))
    v, u = (np.where(known, around[best, k], at) for around, at in ((tall, v), (wide, u)))
    found = [lab[np.arange(batch)[:, None], c, v, u].double() for c in range(3)]
    places = [torch.from_numpy(at.astype(np.float64)).to(lab.device) for at in (u, v)]
    return torch.stack([*found, *places], dim=2)


def claimed(
    flat: Tensor, height: int, width: int, centre: Tensor, reach: Tensor, window: Window
) -> Tensor:
    """(B, H W) the nearest cluster of each pixel; K where none reaches it.

    Args:
        flat: (B, 3, H W) float32 Lab.
        height, width: of the images.
        centre: (B, K, 5) float64.
        reach: (B, K) float32, what squared colour distances are divided by.
        window: of every cluster.
    """
    batch, count, _ = centre.shape
    where, lanes, side = flat.device, kernels.LANES, window.side
    cx, cy = centre[..., 3, None], centre[..., 4, None]
    v = (cy - side).ceil().long() + torch.arange(window.tall, device=where)  # (B, K, tall)
    dy = v - cy
    left = (cx - side).long().clamp(min=0) // lanes * lanes
    right = ((cx + side + 1).long() + lanes - 1) // lanes * lanes
    u = left + torch.arange(window.wide, device=where)  # (B, K, wide)
    seen = ((dy.abs() <= side) & (v >= 0) & (v < height))[..., None]
    seen = seen & ((u < right) & (u < width))[..., None, :]
    pixel = v.clamp(0, height - 1)[..., None] * width + u.clamp(max=width - 1)[..., None, :]
    space = torch.tensor(1 / side**2, dtype=torch.float32, device=where)
    across = (u.float() - cx.float()) ** 2 * space
    distance = across[..., None, :] + ((dy * dy).float() * space)[..., None]
    pixel = pixel.flatten(1)  # (B, K tall wide)
    colour = torch.zeros_like(distance)
    for c in range(3):
        values = flat[:, c].gather(1, pixel).view_as(distance)
        colour += (values - centre[..., c, None, None].float()) ** 2
    distance = torch.where(seen, colour * (1 / reach)[..., None, None] + distance, torch.inf)
    distance = distance.flatten(1)
    least = flat.new_full((batch, height * width), torch.inf)
    least.scatter_reduce_(1, pixel, distance, "amin")
    own = torch.arange(count, device=where)[:, None, None].expand(seen.shape).flatten(1)
    first = (distance == least.gather(1, pixel)) & seen.flatten(1)
    nearest = torch.full((batch, height * width), count, device=where)
    return nearest.scatter_reduce_(1, pixel, torch.where(first, own, count), "amin")


def moved(
    flat: Tensor, width: int, labels: Tensor, centre: Tensor, reach: Tensor
) -> tuple[Tensor, Tensor]:
    """Centres at the means of their pixels, and the largest squared colour distances so far.

    Args:
        flat: (B, 3, H W) float32 Lab.
        width: of the images.
        labels: (B, H W) int64.
        centre, reach: as in `claimed`.
    """
    batch, count, _ = centre.shape
    own = labels + torch.arange(batch, device=flat.device)[:, None] * count
    away = flat - centre[..., :3].float().transpose(1, 2).gather(
        2, labels[:, None].expand(-1, 3, -1)
    )
    place = torch.arange(labels.shape[1], device=flat.device)
    place = torch.stack([place % width, place // width]).expand(batch, 2, -1)
    whole = torch.cat(
        [(away.double() * EXACT).round().long(), place, torch.ones_like(place[:, :1])], 1
    )
    sums = torch.zeros(batch * count, 6, dtype=torch.int64, device=flat.device)
    sums.index_add_(0, own.flatten(), whole.transpose(1, 2).flatten(0, 1))
    sums = sums.view(batch, count, 6)
    number = sums[..., 5:].clamp(min=1)
    found = torch.cat(
        [centre[..., :3] + sums[..., :3] / EXACT / number, sums[..., 3:5] / number], 2
    )
    far = (away**2).sum(dim=1)
    farther = reach.flatten().scatter_reduce(0, own.flatten(), far.flatten(), "amax")
    return torch.where(sums[..., 5:] > 0, found, centre), farther.view_as(reach)
