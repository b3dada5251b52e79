"""Colours and drawing options of a portrait: everything that a character changes about a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synthfaces.attributes import EYE_COLORS, FRAME_COLORS, Attributes, Color, mix

if TYPE_CHECKING:
    from synthfaces.canvas import Canvas
    from synthfaces.geometry import FaceGeometry

Painter = Callable[["Canvas", "FaceGeometry"], None]
"""Paints one part of a portrait."""

WHITE: Color = (255.0, 255.0, 255.0)
BLACK: Color = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Appearance:
    """Colours and drawing options of a portrait. `natural_appearance` gives those of a photo."""

    skin: Color
    skin_shadow: Color
    skin_light: Color
    hair: Color
    hair_shadow: Color
    hair_light: Color
    beard: Color
    brow: Color
    iris: Color
    lip: Color
    background: Color
    clothes: Color
    hat: Color
    frame: Color
    blush: Color | None = (226.0, 92.0, 84.0)
    eye_white: Color = (250.0, 249.0, 247.0)
    pupil: Color = (16.0, 13.0, 16.0)
    lashes: Color = (38.0, 26.0, 26.0)
    catch_light: Color | None = WHITE
    mouth_inside: Color = (92.0, 28.0, 32.0)
    teeth: Color = (250.0, 247.0, 240.0)
    tongue: Color = (206.0, 100.0, 100.0)
    lens: tuple[Color, Color] = ((18.0, 18.0, 24.0), (70.0, 72.0, 84.0))
    """Top and bottom of sunglass lenses."""
    gold: Color = (206.0, 156.0, 52.0)
    gold_light: Color = (255.0, 244.0, 196.0)
    ears: Painter | None = None
    """Replaces the painter of human ears; likewise for the next four."""
    nose: Painter | None = None
    mouth: Painter | None = None
    eyes: Painter | None = None
    brows: Painter | None = None
    brow_scale: float = 1.0
    brow_lowering: float = 0.0
    jaw_scale: float = 1.0
    eye_scale: float = 1.0
    mouth_scale: float = 1.0
    outline: Color | None = None
    """Colour of the outline around every shape. If set, shapes are flat, without shading."""
    under_features: Painter | None = None
    """Painted on the bare face, before eyes, nose and mouth."""
    over_features: Painter | None = None
    """Painted on the finished face, before hair, hat and glasses."""
    overlay: Painter | None = None
    """Painted last."""

    @property
    def flat(self) -> bool:
        """Whether each shape is filled with a single colour."""
        return self.outline is not None


def natural_appearance(attributes: Attributes) -> Appearance:
    """Return the appearance of a person in a photo."""
    skin, hair = attributes.skin_color, attributes.hair_rgb
    grown = attributes.grown_hair_rgb
    return Appearance(
        skin=skin,
        skin_shadow=mix((skin[0] * 0.6, skin[1] * 0.46, skin[2] * 0.42), (70.0, 26.0, 20.0), 0.15),
        skin_light=mix(skin, (255.0, 244.0, 228.0), 0.38),
        hair=hair,
        hair_shadow=mix(hair, (12.0, 6.0, 8.0), 0.5),
        hair_light=mix(hair, (255.0, 244.0, 226.0), 0.34),
        beard=mix(grown, (12.0, 6.0, 8.0), 0.18),
        brow=mix(grown, (34.0, 24.0, 22.0), 0.45 if attributes.hair_color != "gray" else 0.25),
        iris=EYE_COLORS[attributes.eye_color],
        lip=attributes.lip_rgb,
        background=attributes.background,
        clothes=attributes.clothes,
        hat=attributes.hat_color,
        frame=FRAME_COLORS[attributes.frame_color],
    )


def with_skin(look: Appearance, skin: Color, shadow: Color, light: Color) -> Appearance:
    """Return a copy with another skin, and lips to match it."""
    lip = mix(mix(skin, shadow, 0.45), look.lip, 0.12)
    return replace(look, skin=skin, skin_shadow=shadow, skin_light=light, lip=lip)


def paint_nothing(canvas: Canvas, face: FaceGeometry) -> None:
    """Painter of a part that a character does not have."""
