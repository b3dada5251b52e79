"""Cells: areas of one colour that follow the drawing, for glass and tiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthfaces.styles.style import Image

Labels = NDArray[np.intp]


def superpixels(picture: Image, cell: int, compactness: float, rounds: int = 2) -> Labels:
    """Cut a picture into cells of about ``cell`` pixels across which bend along its edges.

    SLIC (Achanta et al. 2012), k-means over colour and place, with every pixel choosing among the nine
    seeds of its neighbourhood. Seeds start on a fixed brick lattice, so that the cells of flat areas are the
    same in all pictures.

    Args:
        picture: (S, S, 3) in [0, 1].
        cell: distance of the seeds in pixels.
        compactness: weight of place against colour; higher gives rounder cells.
        rounds: number of k-means rounds.

    Returns: the cell of each pixel, (S, S) integers; not every number need occur.
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
    """Nearest of the nine seeds (n, n, 5) around each pixel (S, S, 5)."""
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
    """Mean of each cell: pixels (S, S, C) and labels (S, S) give (count, C); empty cells give zeros."""
    flat = labels.ravel()
    population = np.maximum(np.bincount(flat, minlength=count), 1)
    sums = [np.bincount(flat, pixels[..., c].ravel(), count) for c in range(pixels.shape[-1])]
    return (np.stack(sums, -1) / population[:, None]).astype(np.float32)


def borders(labels: Labels, colors: Image | None = None) -> Image:
    """Lines of one pixel, (S, S): 1 where the right or lower neighbour lies in another cell.

    With the cells' ``colors`` (count, 3) a line has the largest channel difference of its two cells instead.
    """
    line = np.zeros(labels.shape, np.float32)
    # Transposed views: the second pass writes the vertical lines into the same array.
    for area, cells in ((line, labels), (line.T, labels.T)):
        here, below = cells[:-1], cells[1:]
        step = here != below if colors is None else np.abs(colors[here] - colors[below]).max(-1)
        area[:-1] = np.maximum(area[:-1], step)
    return line
