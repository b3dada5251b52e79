"""Do the published figures come out? StyleDomain's Table 1 (arXiv:2212.10229), its rows from a text.

    python benchmarks/published.py --device cuda --json FILE

NVIDIA's FFHQ generator learns Botero's paintings and sketches, in all of its weights and in a shift of the
6,048 styles, exactly as the papers' code does it ("exact") and with the defaults of this package ("default").
Quality and Diversity are measured as there: in ViT-L/14, which does not guide, beside "A {text}", over images
with random noise and mixed styles, without truncation. The table holds them beside the published figures.

What the paper does not say is assumed: StyleGAN-NADA's wording for Botero, 20 steps of warm-up, 1,000 images.
The weights are downloaded: about 0.4 GB of FFHQ's, 3 GB of CLIP's. What is done is kept in `runs/published`,
and an interrupted benchmark goes on, in the middle of a training too. `--toy` runs all of it on the bundled
models in a minute or two: a rehearsal, whose figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from fidelity import write

import domainvec as dv
from domainvec.adaptation import HYPERDOMAINNET_FACES, Training
from domainvec.adaptation.drawing import draw_latents
from domainvec.adaptation.randomness import step_rng
from domainvec.evaluation import embedding_diversity, text_quality
from domainvec.guidance import Preservation
from domainvec.guidance.viewing import Aliased

# Quality and Diversity of Table 1.
PUBLISHED = {
    ("Botero", "full"): (0.312, 0.228),
    ("Botero", "stylespace"): (0.309, 0.230),
    ("Sketch", "full"): (0.208, 0.296),
    ("Sketch", "stylespace"): (0.193, 0.306),
}
FORMS = ("full", "stylespace")
WAYS = ("exact", "default")

# HyperDomainNet's losses and draws, with StyleDomain's in-domain angle of 0.25; the weight of a loss that is
# added up over two encoders is twice that of its mean.
RECIPE = replace(
    HYPERDOMAINNET_FACES,
    guidance=replace(HYPERDOMAINNET_FACES.guidance, preservation=Preservation(in_domain_angle=0.5)),
)
# StyleGAN-NADA's code scales its rate of 0.002 and its betas of 0 and 0.99 for a regularization in every
# fourth step, which it then leaves out.
EXACT = {
    "full": RECIPE.training.replace(
        parameterization="full", learning_rate=0.002 * 0.8, betas=(0.0, 0.99**0.8), steps=300
    ),
    "stylespace": RECIPE.training.replace(
        parameterization="stylespace", learning_rate=0.05, warmup_steps=20, steps=250
    ),
}


@dataclass(frozen=True)
class Scale:
    """Which models, which texts, and how much of everything."""

    generator: str
    encoders: tuple[str, ...]
    judge: str
    texts: dict[str, str]
    images: int
    steps: int | None = None


REAL = Scale(
    "ffhq-config-f",
    RECIPE.encoders,
    "openai/clip-vit-large-patch14",
    {"Botero": "Fernando Botero Painting", "Sketch": "Sketch"},
    1000,
)
TOY = Scale(
    "faces",
    ("faces-clip", "faces-clip-robust"),
    "faces-clip",
    {"Botero": "oil painting", "Sketch": "pencil sketch"},
    8,
    2,
)


class Bench:
    """The models, loaded once."""

    def __init__(self, scale: Scale, device: str) -> None:
        self.scale = scale
        self.generator = dv.Generator.from_pretrained(scale.generator, device=device).requires_grad_(False)
        self.encoders = [dv.Encoder.from_pretrained(name, device=device) for name in scale.encoders]
        self.judge = dv.Encoder.from_pretrained(scale.judge, device=device)

    def session(self, way: str, form: str, text: str, seed: int, checkpoint: Path) -> dv.Session:
        """Prepare a training, from its checkpoint if there is one."""
        exact = way == "exact"
        guidance = RECIPE.guidance if exact else None
        target = dv.Text(text, source=RECIPE.source) if exact else dv.Text(text)
        training = EXACT[form] if exact else Training.for_encoder(self.encoders, target)
        changes = {} if self.scale.steps is None else {"steps": self.scale.steps}
        return dv.Session(
            self.generator,
            self.encoders,
            target,
            training=training.replace(parameterization=form, seed=seed, **changes),
            guidance=guidance,
            checkpoint=checkpoint,
            resume=True,
        )

    @torch.no_grad()
    def measure(self, domain: dv.Domain | None, text: str) -> dict[str, float]:
        """Quality and Diversity of new images, the same for all domains."""
        seen, judge, batch = [], Aliased(self.judge), 8
        for first in range(0, self.scale.images, batch):
            w = draw_latents(self.generator, RECIPE.training, batch, step_rng(0, first, "measured latents"))
            rng = step_rng(0, first, "measured noise", w.device)
            seen.append(judge.encode_images(self.generator.synthesis(w, domain, noise="random", rng=rng)))
        images = torch.cat(seen)[: self.scale.images]
        quality, diversity = (
            text_quality(images, judge.encode_texts([f"A {text}"])),
            embedding_diversity(images),
        )
        return {"quality": round(quality.value, 4), "diversity": round(diversity.value, 4)}


def row_of(bench: Bench, way: str, form: str, name: str, seed: int, runs: Path) -> dict[str, Any]:
    """Read a row that is done, or make it.

    Raises: SystemExit if the row that is there was made with other settings.
    """
    path = runs / f"{way}-{form}-{name.lower()}-{seed}.json"
    text = bench.scale.texts[name]
    session = bench.session(way, form, text, seed, path.with_suffix(".ckpt"))
    made = {
        "generator": bench.generator.fingerprint,
        "encoders": list(bench.scale.encoders),
        "judge": bench.scale.judge,
        "prompt": text,
        "images": bench.scale.images,
        "training": session.training.to_dict(),
    }
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        for _ in session:
            pass
        result = session.result()
        result.domain.save(path.with_suffix(".safetensors"))
        row = {"way": way, "form": form, "text": name, "seed": seed, "seconds": round(result.seconds, 1)}
        row |= bench.measure(result.domain, text)
        write(row | made, path)
        path.with_suffix(".ckpt").unlink(missing_ok=True)
        print(json.dumps(row), flush=True)
    kept: dict[str, Any] = json.loads(path.read_text())
    for key, value in made.items():
        if kept[key] != json.loads(json.dumps(value)):
            raise SystemExit(f"{path} has {key} {kept[key]}, not {value}: delete it, or name other --runs")
    return kept


def table(rows: list[dict[str, Any]]) -> str:
    """Means over the seeds beside the published figures, as Markdown."""
    lines = [
        "| text | trained | way | seeds | Quality | published | Diversity | published |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, form, way in product(
        *(dict.fromkeys(row[key] for row in rows) for key in ("text", "form", "way"))
    ):
        mine = [row for row in rows if (row["text"], row["form"], row["way"]) == (name, form, way)]
        cells = [name, form, way, str(len(mine))]
        for figure, published in zip(("quality", "diversity"), PUBLISHED[name, form], strict=True):
            cells += [f"{sum(row[figure] for row in mine) / len(mine):.3f}", f"{published:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Make the rows that are missing and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--toy", action="store_true", help="rehearse with the bundled models")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS, help="what is trained")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--texts", nargs="+", choices=list(REAL.texts), default=list(REAL.texts))
    parser.add_argument("--images", type=int, help="how many are measured")
    parser.add_argument("--device", default="cpu", help='such as "cuda"')
    parser.add_argument("--runs", type=Path, help="folder of what is done  [default: runs/published]")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    options = parser.parse_args()
    scale = TOY if options.toy else REAL
    bench = Bench(replace(scale, images=options.images or scale.images), options.device)
    runs = options.runs or Path("runs/published-toy" if options.toy else "runs/published")
    rows = [
        row_of(bench, way, form, name, seed, runs)
        for name, form, way, seed in product(options.texts, options.forms, options.ways, options.seeds)
    ]
    print(table(rows))
    if options.json:
        write(rows, options.json)


if __name__ == "__main__":
    main()
