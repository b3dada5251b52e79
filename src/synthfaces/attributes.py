"""The attributes of a face, and their mapping from a standard normal latent.

A face is given by a 64-dimensional standard normal latent z. Each attribute is a function of one or a few
coordinates of z, so a generator trained on the renderings has a latent space with meaningful directions.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from synthfaces.errors import AttributeRangeError

Color = tuple[float, float, float]
"""Red, green, blue, each 0 to 255."""

Z_DIM = 64
GENDERS = ("woman", "man")
HAIR_STYLES = ("bald", "buzz", "short", "side part", "curly", "long", "wavy", "bob", "bun")
HAIR_COLORS: dict[str, Color] = {
    "black": (44, 36, 38),
    "brown": (98, 62, 40),
    "blond": (222, 184, 110),
    "red": (176, 78, 36),
    "gray": (176, 176, 180),
    "blue": (66, 112, 196),
    "pink": (226, 118, 166),
}
EYE_COLORS: dict[str, Color] = {
    "brown": (104, 62, 32),
    "hazel": (150, 112, 52),
    "blue": (66, 130, 204),
    "green": (74, 148, 88),
    "gray": (128, 140, 150),
}
BEARDS = ("none", "stubble", "mustache", "full")
GLASSES = ("none", "glasses", "sunglasses")
FRAME_COLORS: dict[str, Color] = {
    "black": (28, 28, 34),
    "brown": (120, 68, 38),
    "red": (178, 40, 52),
    "blue": (48, 76, 168),
    "gold": (196, 156, 74),
}
HATS = ("none", "beanie", "cap")
COLLARS = ("round", "shirt")
LOOSE_HAIR = ("curly", "long", "wavy", "bob")
"""Hair styles that show below a hat and cover the ears."""

_SKIN_TONES: tuple[Color, ...] = (
    (252, 222, 200),
    (244, 204, 172),
    (230, 182, 142),
    (206, 154, 112),
    (172, 120, 82),
    (134, 88, 60),
    (98, 64, 46),
)
_HAIR_STYLE_SHARES = {
    "woman": (0.01, 0.03, 0.07, 0.08, 0.15, 0.2, 0.16, 0.17, 0.13),
    "man": (0.13, 0.19, 0.26, 0.2, 0.13, 0.05, 0.02, 0.02, 0.0),
}
_HAIR_COLOR_SHARES = (0.2, 0.28, 0.22, 0.16, 0.0, 0.07, 0.07)
_EYE_COLOR_SHARES = (0.26, 0.14, 0.28, 0.2, 0.12)
_BEARD_SHARES = (0.52, 0.13, 0.13, 0.22)
_GLASSES_SHARES = (0.75, 0.17, 0.08)
_FRAME_SHARES = (0.36, 0.18, 0.16, 0.14, 0.16)
_HAT_SHARES = (0.84, 0.08, 0.08)
_COLLAR_SHARES = (0.6, 0.4)


@dataclass(frozen=True)
class Attributes:
    """One face. Attributes without a documented range are standard normal, clipped to ±2.5."""

    gender: str
    age: float
    """Years, 18 to 88."""
    skin: float
    """Skin tone, from 0 (light) to 1 (dark)."""
    hair_style: str
    hair_color: str
    hair_shade: float
    eye_color: str
    eye_size: float
    eye_spacing: float
    brow_thickness: float
    brow_tilt: float
    nose_width: float
    nose_length: float
    mouth_width: float
    smile: float
    """From -1 (sad) over 0 (serious) to 1 (a wide smile); above 0.45 the teeth show."""
    lip_color: float
    """From 0 (natural) to 1 (red lipstick)."""
    beard: str
    glasses: str
    frame_color: str
    hat: str
    hat_color: Color
    earrings: bool
    head_width: float
    jaw: float
    chin: float
    yaw: float
    """From -1 (facing the left of the picture) to 1 (facing the right)."""
    pitch: float
    """From -1 (looking up) to 1 (looking down)."""
    roll: float
    """Degrees, clockwise."""
    scale: float
    light: float
    """From -1 (lit from the left) to 1 (lit from the right)."""
    background: Color
    clothes: Color
    collar: str
    texture_seed: int
    """Seed of the random grain, brush strokes and wounds of some domains; without effect on photos."""

    @classmethod
    def from_normal(cls, z: NDArray[np.floating]) -> Attributes:
        """Map a latent to a face.

        Args:
            z: standard normal latent, (64,).

        Raises: AttributeRangeError if z has another shape, or values that are not finite.
        """
        z = np.asarray(z, dtype=np.float64)
        if z.shape != (Z_DIM,) or not np.isfinite(z).all():
            raise AttributeRangeError(
                f"a latent must be {Z_DIM} finite numbers of shape ({Z_DIM},), got shape {z.shape}"
                f"{'' if np.isfinite(z).all() else ' with values that are not finite'}"
            )
        n = [float(value) for value in np.clip(z, -2.5, 2.5)]
        u = [float(value) for value in ndtr(z)]
        gender = _choose(GENDERS, (0.5, 0.5), u[0])
        woman = gender == "woman"
        age = 18.0 + 70.0 * u[1] ** 1.7
        # Grey hair: no one below 42, nine in ten at 80.
        gray = u[6] < min(0.9, max(0.0, (age - 42.0) / 42.0))
        # Dark skin mostly comes with dark hair and brown eyes.
        hair_quantile, eye_quantile = u[4] ** (1.0 + 0.8 * u[2]), u[7] ** (1.0 + 1.6 * u[2])
        beard = "none" if woman else _choose(BEARDS, _BEARD_SHARES, u[17])
        return cls(
            gender=gender,
            age=age,
            skin=u[2],
            hair_style=_choose(HAIR_STYLES, _HAIR_STYLE_SHARES[gender], u[3]),
            hair_color="gray" if gray else _choose(tuple(HAIR_COLORS), _HAIR_COLOR_SHARES, hair_quantile),
            hair_shade=n[5],
            eye_color=_choose(tuple(EYE_COLORS), _EYE_COLOR_SHARES, eye_quantile),
            eye_size=n[8],
            eye_spacing=n[9],
            brow_thickness=n[10],
            brow_tilt=n[11],
            nose_width=n[12],
            nose_length=n[13],
            mouth_width=n[14],
            smile=max(-1.0, min(1.0, 0.3 + 0.5 * n[15])),
            lip_color=u[16] * (1.0 if woman else 0.15),
            beard=beard,
            glasses=_choose(GLASSES, _GLASSES_SHARES, u[18]),
            frame_color=_choose(tuple(FRAME_COLORS), _FRAME_SHARES, u[19]),
            hat=_choose(HATS, _HAT_SHARES, u[20]),
            hat_color=_hsv(u[21], 0.25 + 0.5 * u[22], 0.4 + 0.45 * u[23]),
            earrings=u[24] < (0.4 if woman else 0.05),
            head_width=n[25],
            jaw=n[26],
            chin=n[27],
            yaw=max(-1.0, min(1.0, 0.45 * n[28])),
            pitch=max(-1.0, min(1.0, 0.4 * n[29])),
            roll=2.5 * n[30],
            scale=n[31],
            light=2.0 * u[32] - 1.0,
            background=_hsv(u[33], 0.06 + 0.4 * u[34], 0.45 + 0.48 * u[35]),
            clothes=_hsv(u[36], 0.1 + 0.6 * u[37], 0.25 + 0.6 * u[38]),
            collar=_choose(COLLARS, _COLLAR_SHARES, u[39]),
            texture_seed=min(int(u[40] * 2**31), 2**31 - 1),
        )

    @property
    def is_woman(self) -> bool:
        """Whether the face is drawn with a woman's jaw, brows and lashes."""
        return self.gender == "woman"

    @property
    def shows_hair(self) -> bool:
        """Whether any hair is visible: not on a bald head, nor short hair under a hat."""
        return self.hair_style != "bald" and (self.hat == "none" or self.hair_style in LOOSE_HAIR)

    @property
    def skin_color(self) -> Color:
        """Skin colour in neutral light."""
        position = self.skin * (len(_SKIN_TONES) - 1)
        index = min(int(position), len(_SKIN_TONES) - 2)
        return mix(_SKIN_TONES[index], _SKIN_TONES[index + 1], position - index)

    @property
    def hair_rgb(self) -> Color:
        """Hair colour in neutral light; grey hair turns whiter with age."""
        base = HAIR_COLORS[self.hair_color]
        if self.hair_color == "gray":
            base = mix((140, 138, 140), (222, 222, 224), (self.age - 42.0) / 46.0)
        target = (255.0, 240.0, 220.0) if self.hair_shade > 0 else (0.0, 0.0, 0.0)
        return mix(base, target, 0.07 * abs(self.hair_shade))

    @property
    def grown_hair_rgb(self) -> Color:
        """Colour of brows and beard, which keep their natural colour when the hair is dyed."""
        return (84.0, 58.0, 44.0) if self.hair_color in ("blue", "pink") else self.hair_rgb

    @property
    def lip_rgb(self) -> Color:
        """Colour of the lips, from natural to red lipstick."""
        natural = mix(self.skin_color, (176, 70, 74), 0.45)
        return mix(natural, (196, 36, 62), 0.75 * self.lip_color)

    @property
    def wrinkles(self) -> float:
        """Depth of the wrinkles, from 0 (up to 45 years) to 1 (80 years and above)."""
        return max(0.0, min(1.0, (self.age - 45.0) / 35.0))

    @property
    def mouth_opening(self) -> float:
        """How far the mouth is open, from 0 (closed) to 1 (laughing)."""
        return max(0.0, min(1.0, (self.smile - 0.45) / 0.45))


def latent(seed: int, index: int) -> NDArray[np.float64]:
    """Draw the latent of one face of a data set, independently of all others.

    Args:
        seed: of the data set, from 0 to 2**64 - 1.
        index: of the face, from 0 to 2**64 - 1.

    Returns: standard normal numbers, (64,).

    Raises: AttributeRangeError if the seed or the index is out of range.
    """
    for name, value in (("seed", seed), ("index", index)):
        if not 0 <= value < 2**64:
            raise AttributeRangeError(f"{name} must be from 0 to 2**64 - 1, got {value}")
    key = np.array([seed, index], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(Z_DIM)


def sample(seed: int, index: int) -> Attributes:
    """Draw one face of a data set; arguments and errors as `latent`."""
    return Attributes.from_normal(latent(seed, index))


def code(attributes: Attributes) -> NDArray[np.float32]:
    """Encode everything visible in the photo of a face as a vector of about unit scale.

    Categories are one-hot with values -1 and 1, colours ``rgb / 128 - 1``, or zero for a hat or a frame that
    is absent. Products of colours and light are included, so that a small network need not multiply.

    Returns: (CODE_DIM,) float32.
    """
    a = attributes
    hat = 0.0 if a.hat == "none" else 1.0
    frame = 0.0 if a.glasses == "none" else 1.0
    light = math.sqrt(3.0) * a.light
    background, clothes, skin = _unit(a.background), _unit(a.clothes), _unit(a.skin_color)
    hair, hat_rgb = _unit(a.hair_rgb), _unit(a.hat_color)
    numbers: list[float] = [
        *_one_hot(a.gender, GENDERS[:1]),
        (a.age - 50.0) / 20.0,
        2.0 * a.wrinkles - 0.5,
        *skin,
        *hair,
        *_unit(a.grown_hair_rgb),
        *_unit(EYE_COLORS[a.eye_color]),
        *_unit(a.lip_rgb),
        *background,
        *clothes,
        *(hat * value for value in hat_rgb),
        *(frame * value for value in _unit(FRAME_COLORS[a.frame_color])),
        *_one_hot(a.hair_style, HAIR_STYLES),
        *_one_hot(a.hair_color, tuple(HAIR_COLORS)),
        *_one_hot(a.eye_color, tuple(EYE_COLORS)),
        *_one_hot(a.beard, BEARDS),
        *_one_hot(a.glasses, GLASSES),
        *_one_hot(a.hat, HATS),
        *_one_hot(a.collar, COLLARS[:1]),
        1.0 if a.earrings else -1.0,
        a.eye_size,
        a.eye_spacing,
        a.brow_thickness,
        a.brow_tilt,
        a.nose_width,
        a.nose_length,
        a.mouth_width,
        2.0 * a.smile - 0.6,
        2.0 * a.mouth_opening - 0.5,
        2.0 * a.lip_color - 0.5,
        a.head_width,
        a.jaw,
        a.chin,
        2.2 * a.yaw,
        2.5 * a.pitch,
        a.roll / 2.5,
        a.scale,
        light,
        2.2 * a.yaw * light,
        *(light * value for value in (*background, *clothes, *skin, *hair)),
    ]
    return np.array(numbers, dtype=np.float32)


def mix(first: Color, second: Color, amount: float) -> Color:
    """Interpolate linearly, from ``first`` at amount 0 to ``second`` at 1."""
    return (
        first[0] + (second[0] - first[0]) * amount,
        first[1] + (second[1] - first[1]) * amount,
        first[2] + (second[2] - first[2]) * amount,
    )


def _choose(choices: tuple[str, ...], shares: tuple[float, ...], quantile: float) -> str:
    total = 0.0
    for choice, share in zip(choices, shares, strict=True):
        total += share
        if quantile < total:
            return choice
    return [choice for choice, share in zip(choices, shares, strict=True) if share][-1]


def _hsv(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return 255.0 * red, 255.0 * green, 255.0 * blue


def _unit(color: Color) -> list[float]:
    return [channel / 128.0 - 1.0 for channel in color]


def _one_hot(value: str, choices: tuple[str, ...]) -> list[float]:
    return [1.0 if value == choice else -1.0 for choice in choices]


CODE_DIM = len(code(Attributes.from_normal(np.zeros(Z_DIM))))
