"""Compiled loops over pixels: SLICO and the sums of the statistics.

Imported only where they are needed: importing numba takes half a second. Each function is compiled
at its first call and kept on disk, for the processor at hand; it runs on one core and lets other
threads run meanwhile. Equal input gives equal output, bit by bit, on processors of one kind.
"""

import numpy as np

from dpam.utils.jit import jit

compiled = jit()
# Sums may be reordered, so that loops are vectorised; the order is fixed when compiling.
reordered = jit(fastmath={"reassoc", "nsz", "nnan", "contract"})

LANES = 16  # pixels that processors treat at once; stretches of a multiple are several times faster
STEPS = 4096  # of the table of cube roots: errors under 0.01 in L, a and b


VALUE = np.arange(256) / 255
SHARE = np.arange(STEPS + 2) / STEPS
# sRGB value -> linear light; share of white in STEPS -> the f of CIE-Lab.
LINEAR = np.where(VALUE <= 0.04045, VALUE / 12.92, ((VALUE + 0.055) / 1.055) ** 2.4).astype("f4")
ROOT = np.where(SHARE > (6 / 29) ** 3, np.cbrt(SHARE), SHARE * (29 / 6) ** 2 / 3 + 4 / 29).astype(
    "f4"
)
# From linear sRGB to XYZ; each row divided by its sum, so that white is 1.
XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
SHARES = (XYZ / XYZ.sum(axis=1, keepdims=True) * STEPS).astype("f4")


@compiled
def root(t):
    """f of CIE-Lab at a share of white in STEPS, interpolated."""
    i = np.int32(t)
    return ROOT[i] + (t - np.float32(i)) * (ROOT[i + 1] - ROOT[i])


@compiled
def lab_of(image):
    """CIE-Lab (D65) of (H, W, 3) uint8 RGB as (3, H, W) float32."""
    height, width = image.shape[:2]
    lab = np.empty((3, height, width), np.float32)
    for y in range(height):
        for x in range(width):
            r, g, b = LINEAR[image[y, x, 0]], LINEAR[image[y, x, 1]], LINEAR[image[y, x, 2]]
            fx = root(SHARES[0, 0] * r + SHARES[0, 1] * g + SHARES[0, 2] * b)
            fy = root(SHARES[1, 0] * r + SHARES[1, 1] * g + SHARES[1, 2] * b)
            fz = root(SHARES[2, 0] * r + SHARES[2, 1] * g + SHARES[2, 2] * b)
            lab[0, y, x] = np.float32(116) * fy - np.float32(16)
            lab[1, y, x] = np.float32(500) * (fx - fy)
            lab[2, y, x] = np.float32(200) * (fy - fz)
    return lab


@reordered
def gather(start, end, lightness, a, b, cl, ca, cb):
    """Sums of L, a, b less one colour's, and the largest squared distance from it.

    Of the pixels start ... end - 1 of a row; unsigned, as indices that may be negative are slow.
    """
    suml = suma = sumb = np.float32(0)
    largest = np.int32(0)
    for x in range(start, end):
        dl, da, db = lightness[x] - cl, a[x] - ca, b[x] - cb
        suml, suma, sumb = suml + dl, suma + da, sumb + db
        # As bits: non-negative floats have their order, and LLVM vectorises it.
        far = np.float32(dl * dl + da * da + db * db).view(np.int32)
        largest = max(largest, far)
    return suml, suma, sumb, np.int32(largest).view(np.float32)


@reordered
def claim(left, right, k, lightness, a, b, column, cl, ca, cb, cx, colour, space, dy, near, labels):
    """Give cluster k those of the pixels left ... right - 1 that are nearest to it so far."""
    for x in range(left, right):
        dl, da, db, dx = lightness[x] - cl, a[x] - ca, b[x] - cb, column[x] - cx
        distance = (dl * dl + da * da + db * db) * colour + (dx * dx * space + dy)
        closer = distance < near[x]
        near[x] = distance if closer else near[x]
        labels[x] = k if closer else labels[x]


@compiled
def cluster(lab, rows, columns, compactness, iterations):
    """SLICO's k-means on (3, H, W) float32 Lab, from a grid of cells; (H, W) int32 labels.

    Distance to a cluster: squared colour distance, divided by the largest that the cluster has had
    in an earlier round (compactness² at first), plus squared distance in space, divided by a
    cell's area. Pixels that no cluster reaches any more keep their label.
    """
    _, height, width = lab.shape
    count = rows * columns
    side = np.sqrt(height * width / count)
    space = np.float32(1 / (side * side))
    column = np.arange(width).astype(np.float32)
    nearest = np.empty(width, np.float32)
    labels = np.empty((height, width), np.int32)
    for y in range(height):
        for x in range(width):
            labels[y, x] = (y * rows // height) * columns + x * columns // width
    centre = np.zeros((count, 5))  # L, a, b, x, y
    for k in range(count):
        y, x = lowest_gradient(
            lab,
            int((k // columns + 0.5) * height / rows),
            int((k % columns + 0.5) * width / columns),
        )
        centre[k, 0], centre[k, 1], centre[k, 2] = lab[0, y, x], lab[1, y, x], lab[2, y, x]
        centre[k, 3], centre[k, 4] = x, y
    reach = np.full(
        count, np.float32(compactness * compactness)
    )  # squared colour distance seen so far
    total = np.empty((count, 6))
    for _ in range(iterations):
        total[:] = 0
        farther = reach.copy()
        for y in range(height):  # row by row: one row of everything fits the first-level cache
            lightness, a, b, labels_here = lab[0, y], lab[1, y], lab[2, y], labels[y]
            nearest[:] = np.inf
            for k in range(count):
                cx, dy = centre[k, 3], y - centre[k, 4]
                if abs(dy) > side:
                    continue
                left = max(0, int(cx - side)) // LANES * LANES
                right = min(width, -(-int(cx + side + 1) // LANES) * LANES)
                claim(
                    np.uint64(left),
                    np.uint64(right),
                    np.int32(k),
                    lightness,
                    a,
                    b,
                    column,
                    np.float32(centre[k, 0]),
                    np.float32(centre[k, 1]),
                    np.float32(centre[k, 2]),
                    np.float32(cx),
                    np.float32(1) / reach[k],
                    space,
                    np.float32(dy * dy) * space,
                    nearest,
                    labels_here,
                )
            start = 0
            while start < width:
                k = labels_here[start]
                end = start + 1
                while end < width and labels_here[end] == k:
                    end += 1
                n = end - start
                total[k, 3] += n * ((start + end - 1) / 2 - centre[k, 3])
                total[k, 4] += n * (y - centre[k, 4])
                total[k, 5] += n
                suml, suma, sumb, far = gather(
                    np.uint64(start),
                    np.uint64(end),
                    lightness,
                    a,
                    b,
                    np.float32(centre[k, 0]),
                    np.float32(centre[k, 1]),
                    np.float32(centre[k, 2]),
                )
                total[k, 0] += suml
                total[k, 1] += suma
                total[k, 2] += sumb
                farther[k] = max(farther[k], far)
                start = end
        reach[:] = farther
        for k in range(count):
            if total[k, 5] > 0:
                for c in range(5):
                    centre[k, c] += total[k, c] / total[k, 5]
    return labels


@compiled
def lowest_gradient(lab, y, x):
    """The place with the lowest colour gradient in the 3x3 neighbourhood of a pixel."""
    _, height, width = lab.shape
    lowest, best = np.inf, (y, x)
    for v in range(max(1, y - 1), min(height - 1, y + 2)):
        for u in range(max(1, x - 1), min(width - 1, x + 2)):
            gradient = 0.0
            for c in range(3):
                gradient += (lab[c, v, u + 1] - lab[c, v, u - 1]) ** 2
                gradient += (lab[c, v + 1, u] - lab[c, v - 1, u]) ** 2
            if gradient < lowest:
                lowest, best = gradient, (v, u)
    return best


@compiled
def root_of(parent, i):
    """The root of i in a forest, with its path halved."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@compiled
def connect(labels, smallest):
    """Make each label one connected piece (4-neighbourhood); (H, W) int32 labels 0 ... K-1.

    Pieces under `smallest` pixels join the piece to the left of, or else above, their first pixel.
    Works on runs, stretches of a row with one label, joined to trees whose root comes first.
    """
    height, width = labels.shape
    count = height
    for y in range(height):
        for x in range(1, width):
            count += labels[y, x] != labels[y, x - 1]
    first = np.empty(height + 1, np.int64)  # run that a row begins with
    start = np.empty(count + 1, np.int64)
    parent = np.arange(count)
    run = 0
    for y in range(height):
        first[y] = run
        for x in range(width):
            if x == 0 or labels[y, x] != labels[y, x - 1]:
                start[run] = x
                run += 1
    first[height] = count

    above = np.full(count, -1)  # run over the first pixel
    for y in range(1, height):
        up = first[y - 1]
        for run in range(first[y], first[y + 1]):
            end = start[run + 1] if run + 1 < first[y + 1] else width
            while up + 1 < first[y] and start[up + 1] <= start[run]:
                up += 1
            above[run] = up
            other = up
            while other < first[y] and start[other] < end:
                if labels[y - 1, start[other]] == labels[y, start[run]]:
                    p, q = root_of(parent, other), root_of(parent, run)
                    parent[max(p, q)] = min(p, q)
                other += 1

    area = np.zeros(count, np.int64)
    for y in range(height):
        for run in range(first[y], first[y + 1]):
            end = start[run + 1] if run + 1 < first[y + 1] else width
            area[root_of(parent, run)] += end - start[run]

    new = np.empty(count, np.int32)
    pieces = 0
    result = np.empty((height, width), np.int32)
    for y in range(height):
        for run in range(first[y], first[y + 1]):
            root = root_of(parent, run)
            if root == run:
                neighbour = run - 1 if run > first[y] else above[run]
                if area[run] < smallest and neighbour >= 0:
                    new[run] = new[root_of(parent, neighbour)]
                else:
                    new[run] = pieces
                    pieces += 1
            end = start[run + 1] if run + 1 < first[y + 1] else width
            result[y, start[run] : end] = new[root]
    return result


@compiled
def colour_sums(labels, image, count):
    """Per label: pixels, sums of 3 channels, sums of their 6 products; (count, 10) int64, exact."""
    height, width = labels.shape
    sums = np.zeros((count, 10), np.int64)
    for y in range(height):
        start = 0
        while start < width:
            k = labels[y, start]
            p = q = r = pp = pq = pr = qq = qr = rr = 0
            end = start
            while end < width and labels[y, end] == k:
                u, v, w = (
                    np.int64(image[y, end, 0]),
                    np.int64(image[y, end, 1]),
                    np.int64(image[y, end, 2]),
                )
                p, q, r = p + u, q + v, r + w
                pp, pq, pr = pp + u * u, pq + u * v, pr + u * w
                qq, qr, rr = qq + v * v, qr + v * w, rr + w * w
                end += 1
            sums[k] += np.array([end - start, p, q, r, pp, pq, pr, qq, qr, rr])
            start = end
    return sums


@compiled
def divide(labels, largest):
    """Pieces of at most `largest` pixels, each connected (4-neighbourhood) and of one label.

    A larger piece is cut as it is flooded from its first pixel on. (H, W) int32 labels 0 ... K-1.
    """
    height, width = labels.shape
    result = np.full((height, width), -1, np.int32)
    queue = np.empty(height * width, np.int64)
    pieces = 0
    for first in range(height * width):
        if result[first // width, first % width] >= 0:
            continue
        label = labels[first // width, first % width]
        result[first // width, first % width] = pieces
        queue[0], begin, end = first, 0, 1
        while begin < end:
            y, x = queue[begin] // width, queue[begin] % width
            begin += 1
            for v, u in ((y, x + 1), (y + 1, x), (y, x - 1), (y - 1, x)):
                inside = 0 <= v < height and 0 <= u < width
                if inside and end < largest and labels[v, u] == label and result[v, u] < 0:
                    result[v, u] = pieces
                    queue[end] = v * width + u
                    end += 1
        pieces += 1
    return result


def enforce(labels: np.ndarray) -> np.ndarray:
    """A label map whose superpixels are connected, of 0.06 to 3 times the mean area.

    As RIM's and AINet's authors do it after the networks. The upper bound may be passed where
    small pieces join a large one.

    Args:
        labels: (H, W) integers.

    Returns:
        (H, W) uint16 labels 0 ... K-1 without gaps.
    """
    mean = labels.size / len(np.unique(labels))
    pieces = divide(labels, int(np.ceil(3 * mean)))
    return np.asarray(connect(pieces, 0.06 * mean).astype(np.uint16))
