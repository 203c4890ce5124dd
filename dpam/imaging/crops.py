"""Compiled loops that cut network inputs out of packed pixels, and their texture.

Imported only where they are needed, as `dpam.superpixels.kernels`; compiled at the first call and
kept on disk. They run on one core and let other threads run meanwhile. All is integer arithmetic:
`dpam.imaging.filters.texture` gives the same, bit by bit.
"""

import numpy as np

from dpam.imaging.filters import BLUR, GREY, RADIUS
from dpam.utils.jit import jit

RED, GREEN, BLUE = map(np.int32, GREY)
WEIGHT = np.array(BLUR, np.int32)
compiled = jit()


@compiled
def cut(pixels, start, width, top, left, flip, image):
    """Cut squares out of images that lie one after the other, and mirror some left-right.

    Args:
        pixels: (bytes,) uint8 RGB.
        start, width, top, left: (B,) int64, where each image begins, its width, and the square.
        flip: (B,) bool.
        image: (B, 3, S, S) uint8, filled.
    """
    size = image.shape[-1]
    for b in range(len(start)):
        for y in range(size):
            begin = start[b] + ((top[b] + y) * width[b] + left[b]) * 3
            row = pixels[begin : begin + 3 * size]
            red, green, blue = image[b, 0, y], image[b, 1, y], image[b, 2, y]
            if flip[b]:
                for x in range(size):
                    red[size - 1 - x] = row[3 * x]
                    green[size - 1 - x] = row[3 * x + 1]
                    blue[size - 1 - x] = row[3 * x + 2]
            else:
                for x in range(size):
                    red[x] = row[3 * x]
                    green[x] = row[3 * x + 1]
                    blue[x] = row[3 * x + 2]


@compiled
def textures(image, signed, texture):
    """Grey minus its blur; see `dpam.imaging.filters.texture`.

    Args:
        image: (B, 3, H, W) uint8 RGB, height and width at least 7.
        signed: whether the difference is signed, or wraps modulo 256.
        texture: (B, 1, H, W) float32, filled.
    """
    height, width = image.shape[-2:]
    padded = np.empty((height + 2 * RADIUS, width), np.int32)  # blurred along the rows
    grey = np.empty((height, width), np.int32)
    line = np.empty(width + 2 * RADIUS, np.int32)
    total = np.empty(width, np.int32)
    for b in range(len(image)):
        for y in range(height):
            red, green, blue = image[b, 0, y], image[b, 1, y], image[b, 2, y]
            luma, wide = grey[y], padded[y + RADIUS]
            for x in range(width):
                luma[x] = (
                    RED * np.int32(red[x])
                    + GREEN * np.int32(green[x])
                    + BLUE * np.int32(blue[x])
                    + np.int32(16384)
                ) >> np.int32(15)
                line[x + RADIUS] = luma[x]
            for x in range(RADIUS):
                line[x] = luma[RADIUS - x]
                line[width + RADIUS + x] = luma[width - 2 - x]
            weigh(line, wide)
        for y in range(RADIUS):
            padded[y] = padded[2 * RADIUS - y]
            padded[height + RADIUS + y] = padded[height + RADIUS - 2 - y]
        for y in range(height):
            total[:] = 32768
            for k in range(2 * RADIUS + 1):
                row, weight = padded[y + k], WEIGHT[k]
                for x in range(width):
                    total[x] += weight * row[x]
            luma, out = grey[y], texture[b, 0, y]
            for x in range(width):
                difference = luma[x] - (total[x] >> np.int32(16))
                if not signed:
                    difference &= np.int32(255)
                out[x] = np.float32(difference) / np.float32(255)


@compiled
def weigh(line, out):
    """Correlation of a padded line with the weights of the blur."""
    out[:] = 0
    for k in range(2 * RADIUS + 1):
        weight = WEIGHT[k]
        for x in range(len(out)):
            out[x] += weight * line[x + k]
