r"""Teach a trained encoder to see what is small, and change nothing else; resumable.

    python recipes/sharpen_encoder.py --init runs/clip --output runs/clip-sharp --minutes 20 \\
        --generator src/domainvec/bundled/faces

A robust training teaches an encoder to overlook what noise can hide: a smile at 64 px is one or two pixels.
Here it answers the quiz about drawings that are hardly changed, while its embeddings of all that the robust
training showed it (views, attacked and damaged pictures, what vectors made to fool it) are held where they
were. Its texts keep their embeddings.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
from dataclasses import replace
from pathlib import Path

import drawings
import numpy as np
import torch
from adversary import Adversary
from cards import write_card
from encoder_batches import DOMAINS, Batch, Batches, sample_generator
from timed import TimedTraining
from torch import Tensor
from torch.nn import functional as F
from train_encoder import (
    attack,
    card,
    encode_images,
    encode_texts,
    measure,
    quicken,
    quiz_loss,
    save,
)
from transformers import CLIPModel, PreTrainedTokenizerFast
from transformers.utils import logging

from domainvec.encoders import Encoder
from synthfaces import QUESTIONS

CLOSE = 128
"""Drawings looked at closely in each step."""
HELD = 64
"""Views in each step that are to keep their embeddings."""
FOOLED_EVERY = 3
"""Steps from one of the vectors that try to fool it to the next."""
FREE, FREELY = 0.2, 0.02
"""In the first fifth of the training, what it was is kept with this share of the weight only: held fast from
the start it learns nothing."""


def sharpen(
    model: CLIPModel, tokenizer: PreTrainedTokenizerFast, batches: Batches, options: argparse.Namespace
) -> dict[str, int | float]:
    """Train the vision tower for the minutes asked for, counting those before an interruption."""
    former = copy.deepcopy(model).eval().requires_grad_(False)
    seen = [*model.vision_model.parameters(), *model.visual_projection.parameters()]
    optimizer = torch.optim.AdamW(seen, options.learning_rate, betas=(0.9, 0.98), weight_decay=0.0)
    run = TimedTraining(
        options.output / "checkpoint.pt", {"model": model, "optimizer": optimizer}, options.minutes
    )
    random, generator = run.randomness(options.seed)
    changed = [i for i, name in enumerate(DOMAINS) if name != drawings.PHOTO]
    adversary = Adversary(options.generator, [DOMAINS[i] for i in changed], generator)
    scale = model.logit_scale.detach().exp().clamp(max=60)
    smile = smile_direction(former, tokenizer)
    losses: list[tuple[float, float]] = []
    model.train()
    while run.goes_on():
        rate = (
            options.learning_rate * min(1, (run.step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * run.share))
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = _part(batches(random, generator), HELD, generator)
        images = attack(model, batch, options.radius, generator)
        with torch.no_grad():
            quiz = encode_texts(former, batch.quiz_tokens, batch.quiz_masks)
        model.requires_grad_(False)
        fakes = truths = images[:0]
        if run.step % FOOLED_EVERY == 0:
            fakes, truths, _ = adversary(lambda pictures: encode_images(model, pictures), quiz[changed])
        for parameter in seen:
            parameter.requires_grad_(True)
        held = torch.cat([images, fakes, truths])
        with torch.no_grad():
            wanted = encode_images(former, held)
        close, answers = batches.close(CLOSE, random, generator)
        kept, looked = encode_images(model, torch.cat([held, close])).split([len(held), CLOSE])
        moved = apart_from(smile, kept - wanted).square().sum(dim=1).mean()
        told = quiz_loss(looked, quiz, answers, scale, smile_weight=1.0)
        optimizer.zero_grad()
        (told + options.keep * (FREELY if run.share < FREE else 1.0) * moved).backward()
        torch.nn.utils.clip_grad_norm_(seen, 1.0)
        optimizer.step()
        run.count()
        losses.append((told.item(), moved.item()))
        if run.step % 25 == 0:
            means = np.mean(losses[-25:], axis=0).round(4).tolist()
            print(f"{run.describe(HELD + CLOSE)}, quiz and distance {means}", flush=True)
        run.save_now_and_then()
    run.save()
    model.eval()
    return {"steps": run.step, "pictures_seen": run.step * (HELD + CLOSE), "minutes": run.minutes}


def _part(batch: Batch, count: int, generator: torch.Generator) -> Batch:
    """Some of the views of a batch, with the whole quiz."""
    rows = torch.randperm(len(batch.images), generator=generator)[:count]
    names = ("images", "tokens", "masks", "captions", "answers")
    return replace(batch, **{name: getattr(batch, name)[rows] for name in names})


@torch.no_grad()
def smile_direction(model: CLIPModel, tokenizer: PreTrainedTokenizerFast) -> Tensor:
    """The unit vector (D,) from serious faces to smiling ones, between their texts."""
    means = []
    for texts in QUESTIONS["smile"].texts.values():
        encoded = tokenizer(list(texts), padding=True, return_tensors="pt")
        means.append(encode_texts(model, encoded["input_ids"], encoded["attention_mask"]).mean(dim=0))
    serious, smiling = means
    return F.normalize(smiling - serious, dim=0)


def apart_from(direction: Tensor, vectors: Tensor) -> Tensor:
    """Take away what vectors (N, D) have along a unit direction (D,)."""
    return vectors - (vectors @ direction)[:, None] * direction


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--init", type=Path, required=True, help="folder of the encoder to sharpen")
    parser.add_argument("--output", type=Path, required=True, help="folder of the sharpened one")
    parser.add_argument("--generator", type=Path, required=True, help="folder of the generator it guides")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path("data/encoder"), help="folder of the drawings")
    parser.add_argument("--world", type=int, default=11, help="seed of the drawings")
    drawings.add_counts(parser)
    parser.add_argument("--radius", type=float, default=4.0, help="length of attacks, as in its training")
    parser.add_argument("--color-changes", type=float, default=0.3, help="as in its training")
    parser.add_argument("--samples", type=int, default=1_500, help="number of samples of the generator")
    parser.add_argument("--keep", type=float, default=20.0, help="weight of the squared distance moved")
    parser.add_argument("--learning-rate", type=float, default=4e-4)
    parser.add_argument("--held-out", type=int, default=60, help="number of each domain to measure on")
    return parser.parse_args()


def _main() -> None:
    options = _options()
    logging.disable_progress_bar()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    options.output.mkdir(parents=True, exist_ok=True)
    data = drawings.load(
        options.data, options.world, drawings.balanced(options.photos, options.others, options.compositions)
    )
    tokenizer = PreTrainedTokenizerFast.from_pretrained(options.init)
    model = CLIPModel.from_pretrained(options.init, use_safetensors=True).float()
    quicken(model)
    samples = sample_generator(options.generator, options.samples, options.world + 1000)
    batches = Batches(data, samples, tokenizer, True, options.seed, options.color_changes)
    done = sharpen(model, tokenizer, batches, options)
    save(model, tokenizer, options.output)
    encoder = Encoder.from_pretrained(options.output)
    metrics = {
        **done,
        "seed": options.seed,
        "robust": True,
        "parameters": sum(p.numel() for p in model.parameters()),
        "words": len(tokenizer) - 4,
        "held_out": options.held_out,
        **measure(encoder, options.held_out),
    }
    print(json.dumps(metrics, indent=2))
    made = (
        f"`recipes/sharpen_encoder.py --seed {options.seed} --minutes {options.minutes:g}`\n"
        f"  `--radius {options.radius:g} --keep {options.keep:g}` from `{options.init.resolve().name}`"
    )
    text = card(options.output.resolve().name, metrics, model.config.projection_dim, made)
    write_card(options.output, text, metrics)
    (options.output / "checkpoint.pt").unlink(missing_ok=True)


if __name__ == "__main__":
    _main()
