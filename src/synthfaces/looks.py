"""The palette and the options of one drawing: what a character changes about a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synthfaces.attributes import EYE_COLORS, FRAME_COLORS, Attributes, Color, mix

if TYPE_CHECKING:
    from synthfaces.canvas import Canvas
    from synthfaces.sitter import Sitter

Paint = Callable[["Canvas", "Sitter"], None]

WHITE: Color = (255.0, 255.0, 255.0)
BLACK: Color = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Look:
    """Colours and options of a portrait; ``natural`` gives those of the photo."""

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
    """Top and bottom of the lenses of sunglasses."""
    gold: Color = (206.0, 156.0, 52.0)
    gold_light: Color = (255.0, 244.0, 196.0)
    ears: Paint | None = None
    """This and the next four paint a part in place of the human one."""
    nose: Paint | None = None
    mouth: Paint | None = None
    eyes: Paint | None = None
    brows: Paint | None = None
    brow_scale: float = 1.0
    brow_lowering: float = 0.0
    jaw_scale: float = 1.0
    eye_scale: float = 1.0
    mouth_scale: float = 1.0
    outline: Color | None = None
    """Ink around every shape; with it the shapes are flat, without soft shading."""
    under_features: Paint | None = None
    """Painted on the bare face, below eyes, nose and mouth."""
    over_features: Paint | None = None
    """Painted on the finished face, below hair, hat and glasses."""
    over_all: Paint | None = None

    @property
    def flat(self) -> bool:
        """Whether shapes have one colour each."""
        return self.outline is not None


def natural(attributes: Attributes) -> Look:
    """The look of a person in a photo."""
    skin, hair = attributes.skin_color, attributes.hair_rgb
    grown = attributes.grown_hair_rgb
    return Look(
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


def with_skin(look: Look, skin: Color, shadow: Color, light: Color) -> Look:
    """The look with another skin, and lips of that skin."""
    lip = mix(mix(skin, shadow, 0.45), look.lip, 0.12)
    return replace(look, skin=skin, skin_shadow=shadow, skin_light=light, lip=lip)


def nothing(canvas: Canvas, sitter: Sitter) -> None:
    """Paints nothing: in place of a part that a character does not have."""
