"""Train the bundled judge: a convolutional network that names the domain and the attributes of a face.

    python recipes/train_judge.py --output src/domainvec/bundled/faces-judge --minutes 25

It is the one network that guidance never sees, so it is trained on a world of its own and shares nothing with
the encoders. With --generator it learns to read the attributes off that generator's samples, too, whose true
attributes are known; it is not told that they are photos, or it would take all that a generator draws for a
photo. For the same reason a third of all pictures is blurred, noisy or otherwise damaged. Stop it at any
time, run it again and it goes on. Held-out accuracy by domain and attribute is written to metrics.json and
the card README.md.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import drawings
import numpy as np
import torch
from cards import percent_table, write_card
from drawings import COMPOSITIONS, PHOTO, Drawings
from encoder_batches import answer, corrupt, sample_generator
from numpy.typing import NDArray
from timed import TimedTraining
from torch import Tensor
from torch.nn import functional as F

import synthfaces
from domainvec.evaluation.judge import DOMAIN_HEADS, Judge
from domainvec.guidance.augmentation import Augmentation, augment
from domainvec.images import from_uint8
from synthfaces import QUESTIONS
from synthfaces.domains import FAMILIES

BATCH = 96
SHARES = {PHOTO: 0.2, COMPOSITIONS: 0.3, "samples": 0.1}
"""Of the batch; single domains share the rest."""
VIEWS = Augmentation(
    crop=(0.85, 1.05), rotation=0.1, contrast=0.15, brightness=0.08, tint=0.06, noise=0.12, blur=0.2
)
COLOR_CHANGES = 0.3
NEUTRAL = (PHOTO, "human", "none")
"""The first answers of the three heads of a domain: nothing was done to the photo."""


@dataclass(frozen=True)
class Pool:
    """Pictures and the answer of each head, -1 where there is none."""

    pictures: NDArray[np.uint8]
    answers: NDArray[np.int64]
    share: float


def heads() -> dict[str, tuple[str, ...]]:
    """The answers of each head: three for the domain, then the questions."""
    families = {
        head: (neutral, *(name for name, domain in synthfaces.DOMAINS.items() if domain.family == family))
        for head, neutral, family in zip(DOMAIN_HEADS, NEUTRAL, FAMILIES, strict=True)
    }
    return {**families, **{name: asked.answers for name, asked in QUESTIONS.items()}}


def answers_for(face: synthfaces.Attributes, name: str) -> list[int]:
    """The answers of all heads for a face in a domain; no colours where the domain has others."""
    domain = synthfaces.domain(name)
    known = heads()
    parts = []
    for head in DOMAIN_HEADS:
        mine = [part for part in domain.parts if part in known[head]]
        parts.append(known[head].index(mine[0]) if mine else 0)
    hidden = [asked.needs_color and not domain.keeps_colors for asked in QUESTIONS.values()]
    told = [-1 if hides else told for hides, told in zip(hidden, answer(face), strict=True)]
    return [*parts, *told]


def pools(data: list[Drawings], samples: Drawings | None) -> list[Pool]:
    """The sets with their answers and how often each is shown."""
    shares = dict(SHARES) if samples is not None else {**SHARES, "samples": 0.0}
    singles = [drawn for drawn in data if drawn.name not in shares]
    rest = (1 - sum(shares.values())) / len(singles)
    named = [(drawn, shares.get(drawn.name, rest)) for drawn in data]
    made = [Pool(drawn.pictures, _answers(drawn), share) for drawn, share in named]
    if samples is not None:
        told = _answers(samples)
        told[:, : len(DOMAIN_HEADS)] = -1
        made.append(Pool(samples.pictures, told, shares["samples"]))
    return made


def _answers(drawn: Drawings) -> NDArray[np.int64]:
    return np.array([answers_for(face, name) for face, name in zip(drawn.faces, drawn.domains, strict=True)])


def draw_batch(data: list[Pool], random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Pictures (BATCH, 3, 64, 64) and the answers (BATCH, heads)."""
    shares = np.array([pool.share for pool in data])
    chosen = random.choice(len(data), BATCH, p=shares / shares.sum())
    rows = [(data[i], int(random.integers(len(data[i].pictures)))) for i in chosen]
    pictures = np.stack([pool.pictures[i] for pool, i in rows])
    return from_uint8(pictures), torch.from_numpy(np.stack([pool.answers[i] for pool, i in rows]))


def loss_of(logits: dict[str, Tensor], answers: Tensor) -> Tensor:
    """Mean cross-entropy over the heads that are asked, those of the domain counted thrice."""
    losses, weights = [], []
    for column, (head, scores) in enumerate(logits.items()):
        if bool((answers[:, column] >= 0).any()):
            losses.append(
                F.cross_entropy(scores.float(), answers[:, column], ignore_index=-1, label_smoothing=0.01)
            )
            weights.append(3.0 if head in DOMAIN_HEADS else 1.0)
    total = torch.stack(losses) * torch.tensor(weights)
    return total.sum() / sum(weights)


def train(judge: Judge, data: list[Pool], options: argparse.Namespace) -> int:
    """Train for the minutes asked for with a cosine schedule; return the number of pictures seen."""
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=0.02)
    run = TimedTraining(
        options.output / "checkpoint.pt", {"judge": judge, "optimizer": optimizer}, options.minutes
    )
    judge.train().to(memory_format=torch.channels_last)
    random, generator = run.randomness(options.seed)
    losses: list[float] = []
    while run.goes_on():
        rate = 2e-3 * min(1, (run.step + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * run.share)) + 1e-6
        for group in optimizer.param_groups:
            group["lr"] = rate
        images, answers = draw_batch(data, random)
        images = corrupt(augment(images, VIEWS, generator), random, COLOR_CHANGES)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = judge(images)
        loss = loss_of(logits, answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.count()
        losses.append(loss.item())
        if run.step % 100 == 0:
            print(f"{run.describe(BATCH)}, loss {np.mean(losses[-100:]):.3f}", flush=True)
        run.save_now_and_then()
    run.save()
    judge.eval()
    return run.step * BATCH


@torch.no_grad()
def domain_accuracies(judge: Judge, count: int) -> dict[str, float]:
    """Share of held-out drawings for which the true domain is the likeliest single one, by domain."""
    shares = {}
    for label, name in enumerate(synthfaces.DOMAINS):
        images = from_uint8(drawings.held_out(name, count)[0])
        likeliest = judge.domain_log_probabilities(images, list(synthfaces.DOMAINS)).argmax(dim=1)
        shares[name] = round((likeliest == label).float().mean().item(), 4)
    return shares


@torch.no_grad()
def attribute_accuracies(judge: Judge, count: int) -> dict[str, float]:
    """Share of held-out photos whose attributes are read rightly, among the faces that are asked."""
    pictures, faces = drawings.held_out(PHOTO, count)
    read = judge.attributes(from_uint8(pictures))
    told = torch.tensor([answer(face) for face in faces])
    shares = {}
    for column, name in enumerate(QUESTIONS):
        asked = told[:, column] >= 0
        right = read[name].argmax(dim=1)[asked] == told[asked, column]
        shares[name] = round(right.float().mean().item(), 4)
    return shares


@torch.no_grad()
def composition_accuracy(judge: Judge, count: int) -> float:
    """Share of held-out compositions whose medium, character and mood are all named rightly."""
    names = synthfaces.compositions()
    order = np.random.default_rng(drawings.HELD_OUT_SEED).permutation(len(names))
    right = []
    for i in range(count):
        name = names[order[i % len(names)]]
        face = synthfaces.sample(drawings.HELD_OUT_SEED, i)
        images = from_uint8(synthfaces.draw(face, name)[None])
        told = answers_for(face, name)
        right.append(
            all(int(judge(images)[head].argmax()) == told[column] for column, head in enumerate(DOMAIN_HEADS))
        )
    return round(float(np.mean(right)), 4)


def card(metrics: dict[str, Any]) -> str:
    """The README.md of the folder."""
    inputs = "procedural drawings" + (" and samples of the bundled generator" if metrics["samples"] else "")
    return f"""# faces-judge

Names the domain of a 64 px face of the procedural face world (`synthfaces`), among {len(metrics["domains"])}
single ones and their compositions, and reads the face's attributes. It scores adaptations: no guidance ever
sees it.

- Network: `domainvec.evaluation.Judge`, {metrics["parameters"]:,} parameters, residual convolutions with
  batch normalisation.
- Made by `recipes/train_judge.py --minutes {metrics["minutes"]:g} --seed {metrics["seed"]}`: {inputs},
  {metrics["pictures_seen"]:,} pictures seen, {metrics["threads"]} CPU thread(s). Apache-2.0.
- Held-out drawings named rightly: {100 * metrics["accuracy"]:.1f} % ({metrics["held_out"]} for each domain);
  compositions with all their parts: {100 * metrics["compositions"]:.1f} %.
- Attributes are asked only where a person could tell: no ages from 45 to 60, no half smiles, no stubble.
- Limits: a judge this small can be fooled; read it beside the distance to the true drawing, and look.

{percent_table("attribute of photos", metrics["attributes"])}

{percent_table("domain", metrics["domains"])}
"""


def _main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the judge")
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path("data/judge"), help="folder of the drawings")
    parser.add_argument("--world", type=int, default=12, help="seed of the drawings")
    drawings.add_counts(parser)
    parser.add_argument("--generator", type=Path, help="folder of a generator whose samples to add")
    parser.add_argument("--samples", type=int, default=3_000, help="number of samples of the generator")
    parser.add_argument("--held-out", type=int, default=100, help="number of each domain to measure on")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    counts = drawings.balanced(options.photos, options.others, options.compositions)
    data = drawings.load(options.data, options.world, counts)
    samples = None
    if options.generator is not None:
        samples, _ = sample_generator(options.generator, options.samples, options.world + 1000)
    judge = Judge(heads())
    print(f"{sum(p.numel() for p in judge.parameters()):,} parameters", flush=True)
    seen = train(judge, pools(data, samples), options)
    judge.save_pretrained(options.output)
    judge = Judge.from_pretrained(options.output)
    domains = domain_accuracies(judge, options.held_out)
    metrics = {
        "accuracy": round(float(np.mean(list(domains.values()))), 4),
        "held_out": options.held_out,
        "minutes": options.minutes,
        "parameters": sum(p.numel() for p in judge.parameters()),
        "pictures_seen": seen,
        "samples": 0 if samples is None else len(samples.pictures),
        "seed": options.seed,
        "threads": options.threads,
        "compositions": composition_accuracy(judge, 10 * options.held_out),
        "attributes": attribute_accuracies(judge, 20 * options.held_out),
        "domains": domains,
    }
    print(json.dumps(metrics, indent=2))
    write_card(options.output, card(metrics), metrics)
    (options.output / "checkpoint.pt").unlink(missing_ok=True)


if __name__ == "__main__":
    _main()
