"""Train the bundled judge: a convolutional network that names the domain of a face.

    python recipes/train_judge.py --output src/domainvec/bundled/faces-judge --minutes 10

It is the one network that guidance never sees, so it is trained on a world of its own and shares nothing with
the encoders. Held-out accuracy by domain is written to metrics.json and the card README.md.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import drawings
import numpy as np
import torch
from torch.nn import functional as F

import synthfaces
from domainvec.evaluation.judge import Judge
from domainvec.files import atomic_path
from domainvec.guidance.robust import Augmentation, augment
from domainvec.images import from_uint8

BATCH = 96
VIEWS = Augmentation(
    crop=(0.85, 1.05), rotation=0.1, contrast=0.15, brightness=0.08, tint=0.06, noise=0.12, blur=0.2
)


def train(judge: Judge, data: list[drawings.Drawings], minutes: float, generator: torch.Generator) -> int:
    """Train for a while with a cosine schedule; return the number of pictures seen."""
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=0.01)
    judge.train().to(memory_format=torch.channels_last)
    start, step, losses = time.monotonic(), 0, []
    while (share := (time.monotonic() - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * share)) + 1e-6
        labels = torch.randint(len(data), (BATCH,), generator=generator)
        picks = torch.rand(BATCH, generator=generator).tolist()
        pictures = np.stack(
            [
                data[label].pictures[int(pick * len(data[label].pictures))]
                for label, pick in zip(labels.tolist(), picks, strict=True)
            ]
        )
        images = augment(from_uint8(pictures), VIEWS, generator).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = judge(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=0.02)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        losses.append(loss.item())
        if step % 100 == 0:
            seconds = time.monotonic() - start
            print(
                f"step {step}, {seconds:.0f} of {60 * minutes:.0f} s, "
                f"{step * BATCH / seconds:.0f} pictures/s, "
                f"loss {np.mean(losses[-100:]):.3f}",
                flush=True,
            )
    return step * BATCH


@torch.no_grad()
def accuracies(judge: Judge, count: int) -> dict[str, float]:
    """Share of held-out drawings that the judge names rightly, by domain."""
    judge.eval()
    shares = {}
    for label, domain in enumerate(judge.names):
        pictures, _ = drawings.held_out(domain, count)
        shares[domain] = round((judge(from_uint8(pictures)).argmax(dim=1) == label).float().mean().item(), 4)
    return shares


def card(metrics: dict[str, object], shares: dict[str, float]) -> str:
    """The README.md of the folder."""
    rows = "\n".join(f"| {domain} | {100 * share:.1f} % |" for domain, share in shares.items())
    return f"""# faces-judge

Names the domain of a 64 px face of the procedural face world (`synthfaces`), among {len(shares)}. It scores
adaptations: no guidance ever sees it.

- Network: `domainvec.evaluation.Judge`, {metrics["parameters"]:,} parameters, convolutions with batch
  normalisation.
- Made by `recipes/train_judge.py --minutes {metrics["minutes"]:g} --seed {metrics["seed"]}`
from procedural
  drawings only ({metrics["pictures_seen"]:,} pictures seen; {metrics["threads"]} CPU thread(s)). Apache-2.0.
- Held-out drawings named rightly: {100 * metrics["accuracy"]:.1f} % ({metrics["held_out"]} for each domain).
- Limits: a judge this small can be fooled; read it beside the distance to the true drawing, and look.

| domain | named rightly |
| --- | --- |
{rows}
"""


def _main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the judge")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path("data/judge"), help="folder of the drawings")
    parser.add_argument("--world", type=int, default=12, help="seed of the drawings")
    parser.add_argument("--drawings", type=int, default=1500, help="number of each domain")
    parser.add_argument("--held-out", type=int, default=100, help="number of each domain to measure on")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    counts = dict.fromkeys(synthfaces.DOMAINS, options.drawings)
    data = drawings.load(options.data, options.world, counts)
    judge = Judge(list(synthfaces.DOMAINS))
    seen = train(judge, data, options.minutes, torch.Generator().manual_seed(options.seed))
    judge.save_pretrained(options.output)
    judge = Judge.from_pretrained(options.output)
    shares = accuracies(judge, options.held_out)
    metrics = {
        "accuracy": round(float(np.mean(list(shares.values()))), 4),
        "held_out": options.held_out,
        "minutes": options.minutes,
        "parameters": sum(p.numel() for p in judge.parameters()),
        "pictures_seen": seen,
        "seed": options.seed,
        "threads": options.threads,
    }
    print(json.dumps({**metrics, "by_domain": shares}, indent=2))
    with atomic_path(options.output / "metrics.json") as path:
        path.write_text(json.dumps({**metrics, "by_domain": shares}, indent=2) + "\n")
    with atomic_path(options.output / "README.md") as path:
        path.write_text(card(metrics, shares))


if __name__ == "__main__":
    _main()
