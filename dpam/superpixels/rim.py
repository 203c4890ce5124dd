"""RIM superpixels: a small network optimised on one image, without training data or weights.

After Suzuki, "Superpixel segmentation via convolutional neural networks with regularized
information maximization", ICASSP 2020; written from the paper. Patents and a non-commercial licence
are claimed for the authors' own code: whoever uses the method commercially should look into that.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from dpam.utils.progress import track

WIDTHS = (5, 32, 64, 128, 256)  # channels: RGB, row and column; then of the four layers
SEED = 20
LOOK = 10  # steps between two looks at the label maps


@dataclass(frozen=True)
class RimSettings:
    """How to optimise; the defaults are the paper's.

    Attributes:
        superpixels: most that there can be, K.
        steps: most steps of Adam.
        entropy: weight of the marginal's entropy, which keeps superpixels alike in size (lambda).
        smoothness: weight of the smoothness term (alpha).
        reconstruction: weight of the reconstruction term (beta).
        learning_rate: of Adam.
        stable: an image is done when fewer than this share of its pixels change their label
            within ten steps; 0: never before the last step.
    """

    superpixels: int = 100
    steps: int = 500
    entropy: float = 2.0
    smoothness: float = 2.0
    reconstruction: float = 10.0
    learning_rate: float = 1e-2
    stable: float = 1e-3


# "dpam": what DPAM's released code set.
PRESETS = {"paper": RimSettings(), "dpam": RimSettings(steps=5, reconstruction=2.0)}


class Networks(nn.Module):
    """One network per image, all with the same initial weights, as one with groups.

    Args:
        images: how many, B.
        superpixels: K.
    """

    def __init__(self, images: int, superpixels: int) -> None:
        super().__init__()
        self.images = images
        self.superpixels = superpixels
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(WIDTHS):
            layers += [
                nn.ReflectionPad2d(1),
                nn.Conv2d(images * inputs, images * outputs, 3, bias=False, groups=images),
                nn.InstanceNorm2d(images * outputs, affine=True),
                nn.ReLU(inplace=True),
            ]
        layers.append(nn.Conv2d(images * WIDTHS[-1], images * (3 + superpixels), 1, groups=images))
        self.layers = nn.Sequential(*layers)
        self.norm = nn.InstanceNorm2d(images * superpixels, affine=True)
        generator = torch.Generator().manual_seed(SEED)
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                one = torch.empty(layer.out_channels // images, *layer.weight.shape[1:])
                nn.init.xavier_normal_(one, generator=generator)
                layer.weight.data = one.repeat(images, 1, 1, 1)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K, H, W) and reconstructions (B, 3, H, W) of inputs (B, 5, H, W)."""
        size = inputs.shape[-2:]
        outputs = self.layers(inputs.reshape(1, -1, *size)).view(self.images, -1, *size)
        logits = self.norm(outputs[:, 3:].reshape(1, -1, *size))
        return logits.view(self.images, self.superpixels, *size), outputs[:, :3]


def standardise(images: Tensor) -> Tensor:
    """(B, 3, H, W) to (B, 5, H, W): colours, row and column, each with mean 0 and deviation 1."""
    count, _, height, width = images.shape
    row, column = torch.meshgrid(
        torch.arange(height, device=images.device),
        torch.arange(width, device=images.device),
        indexing="ij",
    )
    places = torch.stack([row, column]).expand(count, -1, -1, -1)
    values = torch.cat([images.float(), places.float()], dim=1)
    deviation, mean = torch.std_mean(values, dim=(2, 3), keepdim=True)
    return (values - mean) / deviation.clamp(min=1e-6)


def losses(logits: Tensor, reconstruction: Tensor, inputs: Tensor, how: RimSettings) -> Tensor:
    """The loss of each image, (B,).

    Args:
        logits: (B, K, H, W).
        reconstruction: (B, 3, H, W).
        inputs: (B, 5, H, W), standardised.
        how: the weights.
    """
    logarithm = logits.log_softmax(dim=1)
    probability = logarithm.exp()
    uncertainty = -(probability * logarithm).sum(dim=1).mean(dim=(1, 2))
    marginal = probability.mean(dim=(2, 3))
    spread = -(marginal * (marginal + 1e-16).log()).sum(dim=1)
    rough = torch.zeros_like(spread)
    for axis in (2, 3):
        change = probability.diff(dim=axis).abs().sum(dim=1)
        edge = (-(inputs.diff(dim=axis) ** 2).sum(dim=1) / 8).exp()
        rough = rough + (change * edge).mean(dim=(1, 2))
    missed = ((reconstruction - inputs[:, :3]) ** 2).mean(dim=(1, 2, 3))
    return uncertainty - how.entropy * spread + how.smoothness * rough + how.reconstruction * missed


def rim(images: np.ndarray, how: RimSettings, device: torch.device) -> np.ndarray:
    """Segment images, each by a network of its own.

    Images of a batch do not influence each other; the same image gives the same superpixels, up to
    rounding, which differs between devices and sizes of a batch: of a pixel in some hundred another
    superpixel, and other numbers of them. So a GPU computes in float32, not in the shorter TF32.

    Args:
        images: (B, H, W, 3) uint8 RGB, both sides at least 2.
        how: settings.
        device: where to optimise; memory grows with B·K·H·W.

    Returns:
        (B, H, W) uint16 label maps, each with connected superpixels 0 ... K-1 without gaps.
    """
    from dpam.superpixels.kernels import enforce

    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        labels = optimise(images, how, device)
    return np.stack([enforce(one) for one in labels])


def optimise(images: np.ndarray, how: RimSettings, device: torch.device) -> np.ndarray:
    """As `rim`, but superpixels may lie in pieces: (B, H, W) int64."""
    inputs = standardise(torch.from_numpy(images).to(device).permute(0, 3, 1, 2))
    nets = Networks(len(images), how.superpixels).to(device)
    optimiser = torch.optim.Adam(nets.parameters(), how.learning_rate)
    shape = (len(images), *images.shape[1:3])
    labels = torch.full(shape, -1, device=device)
    done = torch.zeros(len(images), dtype=torch.bool, device=device)
    for step in track(range(1, how.steps + 1), "RIM", total=how.steps, unit="step"):
        logits, reconstruction = nets(inputs)
        optimiser.zero_grad()
        losses(logits, reconstruction, inputs, how).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % LOOK == 0 or step == how.steps:
            now = torch.where(done[:, None, None], labels, nets_labels(nets, inputs))
            done |= (now != labels).float().mean(dim=(1, 2)) < how.stable
            labels = now
            if done.all():
                break
    return labels.cpu().numpy()


@torch.no_grad()
def nets_labels(nets: Networks, inputs: Tensor) -> Tensor:
    """The most probable superpixel of each pixel, (B, H, W)."""
    return nets(inputs)[0].argmax(dim=1)  # type: ignore[no-any-return]
