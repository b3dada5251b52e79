"""Superpixels: areas of one colour that follow the edges of a picture, for glass and tiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthfaces.styles.style import Image

Labels = NDArray[np.intp]


def superpixels(picture: Image, cell: int, compactness: float, rounds: int = 2) -> Labels:
    """Segment a picture into superpixels of about ``cell`` × ``cell`` pixels that follow its edges.

    SLIC (Achanta et al. 2012): k-means over colour and position, in which each pixel considers the nine
    nearest seeds. Seeds start on a fixed brick lattice, so flat areas have the same cells in all pictures.

    Args:
        picture: (S, S, 3) in [0, 1].
        cell: distance between seeds in pixels.
        compactness: weight of position against colour; larger values give rounder cells.
        rounds: number of k-means iterations.

    Returns: the label of each pixel, (S, S) integers; some labels may be unused.
    """
    size = picture.shape[0]
    count = -(-size // cell)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    scale = np.float32(compactness / cell)
    pixels = np.concatenate([picture, (y * scale)[..., None], (x * scale)[..., None]], -1)

    rows, columns = np.mgrid[:count, :count].astype(np.float32)
    centre = np.stack([(rows + 0.5) * cell, (columns + 0.25 + 0.5 * (rows % 2)) * cell], -1)
    at = np.minimum(centre.astype(int), size - 1)
    seeds = np.concatenate([picture[at[..., 0], at[..., 1]], centre * scale], -1)
    labels = _nearest(pixels, seeds, cell)
    for _ in range(rounds - 1):
        labels = _nearest(pixels, means(pixels, labels, count * count).reshape(seeds.shape), cell)
    return labels


def _nearest(pixels: Image, seeds: Image, cell: int) -> Labels:
    """Assign each pixel (S, S, 5) to the nearest of the nine seeds (n, n, 5) around it."""
    size, count = len(pixels), len(seeds)
    pad = count * cell - size
    blocks = np.pad(pixels, ((0, pad), (0, pad), (0, 0)), mode="edge").transpose(2, 0, 1)
    blocks = np.ascontiguousarray(blocks).reshape(-1, count, cell, count, cell)
    best = np.full(blocks.shape[1:], np.inf, np.float32)
    labels = np.zeros(blocks.shape[1:], np.intp)
    index = np.arange(count)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            row, column = np.clip(index + dy, 0, count - 1), np.clip(index + dx, 0, count - 1)
            distance = np.zeros_like(best)
            for channel, values in zip(blocks, seeds[row][:, column].transpose(2, 0, 1), strict=True):
                distance += np.square(channel - values[:, None, :, None])
            names = (row[:, None] * count + column)[:, None, :, None]
            labels = np.where(distance < best, names, labels)
            best = np.minimum(best, distance)
    side = count * cell
    return labels.reshape(side, side)[:size, :size]


def means(pixels: Image, labels: Labels, count: int) -> Image:
    """Average pixels (S, S, C) over labels (S, S), giving (count, C); zeros for unused labels."""
    flat = labels.ravel()
    population = np.maximum(np.bincount(flat, minlength=count), 1)
    sums = [np.bincount(flat, pixels[..., c].ravel(), count) for c in range(pixels.shape[-1])]
    return (np.stack(sums, -1) / population[:, None]).astype(np.float32)


def borders(labels: Labels, colors: Image | None = None) -> Image:
    """Return the borders of cells, (S, S): 1 where the right or lower neighbour has another label.

    With the cells' ``colors`` (count, 3), a border has the largest channel difference of its two cells.
    """
    line = np.zeros(labels.shape, np.float32)
    # The second pass writes vertical borders into the same array, through transposed views.
    for area, cells in ((line, labels), (line.T, labels.T)):
        here, below = cells[:-1], cells[1:]
        step = here != below if colors is None else np.abs(colors[here] - colors[below]).max(-1)
        area[:-1] = np.maximum(area[:-1], step)
    return line
