"""Styles: image filters that repaint a portrait in another medium or mood, one per file."""

from __future__ import annotations

from synthfaces.styles import (
    blueprint,
    charcoal,
    comic,
    infrared,
    ink,
    mosaic,
    neon,
    night,
    oil_painting,
    pastel,
    pencil_sketch,
    pixel_art,
    pop_art,
    sepia,
    stained_glass,
    watercolor,
)
from synthfaces.styles.style import Filter, Image, Style

STYLES: dict[str, Style] = {
    module.STYLE.name: module.STYLE
    for module in (
        pencil_sketch,
        charcoal,
        ink,
        watercolor,
        oil_painting,
        pastel,
        pixel_art,
        mosaic,
        stained_glass,
        pop_art,
        blueprint,
        neon,
        sepia,
        night,
        infrared,
        comic,
    )
}

__all__ = ["STYLES", "Filter", "Image", "Style"]
