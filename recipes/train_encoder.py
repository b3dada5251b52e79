r"""Train a small CLIP on the face world, on a CPU; stop it at any time, run it again and it goes on.

    python recipes/train_encoder.py --output runs/clip --minutes 131 --robust --radius 3 \\
        --adversary --generator src/domainvec/bundled/faces
    python recipes/train_encoder.py --output runs/clip-robust --minutes 118 --robust --radius 4 --seed 1 \\
        --width 160 --depth 3 --adversary --generator src/domainvec/bundled/faces

The result is a folder that transformers' CLIPModel and AutoTokenizer open: a word-level tokenizer, a vision
transformer on 8 px patches of 64 px pictures, a text transformer, and the guidance that suits it. The loss is
CLIP's (Radford et al. 2021, arXiv:2103.00020), where all pictures that share a caption are its matches, and a
quiz: which of the domains is it, is the hair long, curly or short, and so on, answered zero-shot.

A robust encoder also sees the pictures that would fool it: moved along its own gradient (half of them by a
smooth pattern, which is what a generator can draw), corrupted ones, and, with --generator, samples of the
generator: plain ones as photos, and ones bent by random domain vectors as "distorted photos". With
--adversary vectors learn to fool it while it learns (adversary.py). With --looks it also sees faces in looks
that no caption names (random_looks.py), and learns which of them are in the same one, and what the faces are.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import drawings
import numpy as np
import torch
from adversary import Adversary, adversary_loss
from cards import percent_table, write_card, write_json
from encoder_batches import (
    BATCH,
    DISTORTED,
    DOMAINS,
    LONGEST_TEXT,
    Batch,
    Batches,
    answer,
    sample_generator,
)
from timed import TimedTraining
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from torch.nn import functional as F
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging

import synthfaces
from domainvec.encoders import Encoder
from domainvec.encoders.templates import FACE_TEMPLATES
from domainvec.evaluation import ZeroShotClassifier, pgd_attack
from domainvec.evaluation.features import map_batches
from domainvec.guidance import FACES
from domainvec.images import from_uint8
from synthfaces import QUESTIONS
from synthfaces.captions import describe_vocabulary, vocabulary, words

PATCH = 8
DOMAIN_WEIGHT = 0.5
QUESTION_WEIGHT = 0.15
"""Of each question about a photo's face."""
SMILE_WEIGHT = 0.6
"""Of that which is hardest to see."""
PHOTO_WEIGHT = 0.05
"""Of a photo in the question for the domain, because photos are so many."""
ADVERSARY_WEIGHT = 0.5
"""At 1 for half an hour more, 99 % of domains were named rightly, but guidance lost the infrared photo."""
LOOK_WEIGHT = 0.3
FIRST_ATTACK, FULL_ATTACK = 0.1, 0.4
"""Shares of the training at which attacks begin, and at which they have their full length."""
_CHANGED = [i for i, name in enumerate(DOMAINS) if name != drawings.PHOTO]


def build_tokenizer(known: set[str]) -> PreTrainedTokenizerFast:
    """Words in lower case, punctuation dropped; unknown words are [UNK]."""
    tokens = ["[PAD]", "[UNK]", "[BOS]", *sorted(known), "[EOS]"]
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(
        Regex("[a-z0-9]+(?:[-'][a-z0-9]+)*"), behavior="removed", invert=True
    )
    ends = [("[BOS]", 2), ("[EOS]", len(tokens) - 1)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[BOS] $A [EOS]", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="[BOS]",
        eos_token="[EOS]",
        unk_token="[UNK]",
        pad_token="[PAD]",
        model_max_length=LONGEST_TEXT,
    )


def build_model(tokenizer: PreTrainedTokenizerFast, options: argparse.Namespace) -> CLIPModel:
    """A CLIPModel of the sizes asked for, random weights."""
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=options.text_width,
        intermediate_size=4 * options.text_width,
        num_hidden_layers=options.text_depth,
        num_attention_heads=options.text_width // 32,
        max_position_embeddings=LONGEST_TEXT,
        projection_dim=options.projection,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = CLIPVisionConfig(
        hidden_size=options.width,
        intermediate_size=4 * options.width,
        num_hidden_layers=options.depth,
        num_attention_heads=options.width // 32,
        image_size=drawings.RESOLUTION,
        patch_size=PATCH,
        projection_dim=options.projection,
        hidden_act="gelu",
    )
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=options.projection
    )
    model = CLIPModel(config)
    quicken(model)
    return model


def quicken(model: CLIPModel) -> None:
    """Use plain matrix products for attention: on a CPU faster than the fused kernel for narrow heads."""
    model.set_attn_implementation("eager")


def embed(output: Any) -> Tensor:  # noqa: ANN401
    """Unit-length float32 features; transformers 5 wraps them in an output object."""
    features = output if isinstance(output, Tensor) else output.pooler_output
    return F.normalize(features.float(), dim=-1)


def caption_losses(images: Tensor, texts: Tensor, matches: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """CLIP's losses for each picture (N) and each text (M), where several pairs may match, (N, M)."""
    logits = scale * images @ texts.T
    by_image = (logits.log_softmax(dim=1) * matches).sum(dim=1) / matches.sum(dim=1)
    by_text = (logits.log_softmax(dim=0) * matches).sum(dim=0) / matches.sum(dim=0).clamp(min=1)
    return -by_image, -by_text


def domain_loss(images: Tensor, texts: Tensor, answers: Tensor, scale: Tensor) -> Tensor:
    """Cross-entropy of the zero-shot answer to which domain it is, -1 where nothing is asked."""
    weights = torch.ones(len(texts))
    weights[DOMAINS.index(drawings.PHOTO)] = PHOTO_WEIGHT
    return F.cross_entropy(scale * images @ texts.T, answers, weights, ignore_index=-1)


def question_loss(
    images: Tensor, texts: Tensor, answers: Tensor, scale: Tensor, smile_weight: float
) -> Tensor:
    """Cross-entropy of the zero-shot answers to the questions, a weighted sum.

    Args:
        images: embeddings (N, D).
        texts: embeddings of all answers to the first question, to the second, ...
        answers: (N, questions), -1 where nothing is asked.
        scale: of the cosines.
        smile_weight: of the question that is hardest to see.
    """
    sizes = [len(asked.answers) for asked in QUESTIONS.values()]
    logits = (scale * images @ texts.T).split(sizes, dim=1)
    loss = scale.new_zeros(())
    for column, (name, scores) in enumerate(zip(QUESTIONS, logits, strict=True)):
        if bool((answers[:, column] >= 0).any()):
            weight = smile_weight if name == "smile" else QUESTION_WEIGHT
            loss = loss + weight * F.cross_entropy(scores, answers[:, column], ignore_index=-1)
    return loss


def encode_images(model: CLIPModel, images: Tensor) -> Tensor:
    """Unit-length embeddings, computed in bfloat16."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return embed(model.get_image_features(pixel_values=images))


def encode_texts(model: CLIPModel, tokens: Tensor, masks: Tensor) -> Tensor:
    """Unit-length embeddings, computed in bfloat16."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return embed(model.get_text_features(input_ids=tokens, attention_mask=masks))


def batch_loss(images: Tensor, texts: Tensor, quiz: Tensor, batch: Batch, scale: Tensor) -> Tensor:
    """CLIP's loss and the quiz, on embeddings."""
    by_image, by_text = caption_losses(images, texts, _matches(batch), scale)
    return (by_image.mean() + by_text.mean()) / 2 + quiz_loss(images, quiz, batch.answers, scale)


def quiz_loss(
    images: Tensor, quiz: Tensor, answers: Tensor, scale: Tensor, *, smile_weight: float = SMILE_WEIGHT
) -> Tensor:
    """Of the domain and of the face, on embeddings of pictures and of the quiz's texts."""
    domains, questions = quiz[: len(DOMAINS) + 1], quiz[len(DOMAINS) + 1 :]
    loss = DOMAIN_WEIGHT * domain_loss(images, domains, answers[:, 0], scale)
    return loss + question_loss(images, questions, answers[:, 1:], scale, smile_weight)


def look_loss(images: Tensor, looks: Tensor, scale: Tensor) -> Tensor:
    """Pictures in the same look are each other's matches (Khosla et al. 2020, arXiv:2004.11362).

    Args:
        images: embeddings (N, D); the same faces in each look, so that a face alone matches nothing.
        looks: the number of each one's look, (N,); at least two of each.
        scale: of the cosines.
    """
    itself = torch.eye(len(images), dtype=torch.bool)
    matches = (looks[:, None] == looks[None]) & ~itself
    chances = (scale * images @ images.T).masked_fill(itself, -torch.inf).log_softmax(dim=1)
    return -(chances.masked_fill(~matches, 0.0).sum(dim=1) / matches.sum(dim=1)).mean()


def _matches(batch: Batch) -> Tensor:
    return (batch.captions[:, None] == batch.captions[None]).float()


def attack(model: CLIPModel, batch: Batch, radius: float, generator: torch.Generator) -> Tensor:
    """Move half of the pictures by up to `radius` (length over all pixels) to where they fit least.

    They are to lose their caption and their domain. One step from a random start (Wong et al. 2020,
    arXiv:2001.03994); half of the moved pictures go along the gradient blurred to 16 px.
    """
    count = len(batch.images)
    chosen = torch.randperm(count, generator=generator)[: count // 2]
    chosen_images = batch.images[chosen]
    reach = torch.rand(len(chosen), 1, 1, 1, generator=generator) * radius
    noise = torch.randn(chosen_images.shape, generator=generator)
    start = chosen_images + noise * reach * 0.5 / math.sqrt(chosen_images[0].numel())
    start.requires_grad_(True)
    model.requires_grad_(False)
    scale = torch.tensor(30.0)
    with torch.no_grad():
        texts = encode_texts(model, batch.tokens, batch.masks)
        domains = encode_texts(model, batch.quiz_tokens, batch.quiz_masks)[: len(DOMAINS) + 1]
    embeddings = encode_images(model, start)
    by_image, _ = caption_losses(embeddings, texts, _matches(batch)[chosen], scale)
    loss = by_image.mean() / 2 + DOMAIN_WEIGHT * domain_loss(
        embeddings, domains, batch.answers[chosen, 0], scale
    )
    (gradient,) = torch.autograd.grad(loss * len(chosen), start)
    model.requires_grad_(True)
    smooth = torch.rand(len(chosen), generator=generator) < 0.5
    blurred = F.interpolate(F.avg_pool2d(gradient, 4), scale_factor=4, mode="bilinear")
    gradient = torch.where(smooth[:, None, None, None], blurred, gradient)
    length = gradient.flatten(1).norm(dim=1)[:, None, None, None]
    images = batch.images.clone()
    images[chosen] = start.detach() + reach * gradient / (length + 1e-8)
    return images


def train(model: CLIPModel, batches: Batches, options: argparse.Namespace) -> dict[str, int | float]:
    """Train for the minutes asked for, counting those before an interruption; return what was done."""
    scale = [model.logit_scale]
    weights = [value for name, value in model.named_parameters() if name != "logit_scale"]
    optimizer = torch.optim.AdamW(
        [{"params": weights, "factor": 1.0}, {"params": scale, "factor": 10.0, "weight_decay": 0.0}],
        options.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=0.05,
    )
    run = TimedTraining(
        options.output / "checkpoint.pt", {"model": model, "optimizer": optimizer}, options.minutes
    )
    random, generator = run.randomness(options.seed)
    losses: list[tuple[float, float]] = []
    adversary = None
    if options.adversary:
        adversary = Adversary(options.generator, [DOMAINS[i] for i in _CHANGED], generator)
    model.train()

    while run.goes_on():
        rate = (
            options.learning_rate * min(1, (run.step + 1) / 300) * (0.5 + 0.5 * math.cos(math.pi * run.share))
            + 1e-6
        )
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        batch = batches(random, generator)
        images = batch.images
        if options.robust and run.share > FIRST_ATTACK:
            radius = options.radius * min(1.0, (run.share - FIRST_ATTACK) / (FULL_ATTACK - FIRST_ATTACK))
            images = attack(model, batch, radius, generator)
        quiz = encode_texts(model, batch.quiz_tokens, batch.quiz_masks)
        fakes = truths = shown = images[:0]
        if options.looks:
            shown, looks, answers = batches.in_looks(options.looks, random)
        if adversary is not None:
            wanted = quiz[_CHANGED].detach()
            model.requires_grad_(False)
            fakes, truths, labels = adversary(lambda pictures: encode_images(model, pictures), wanted)
            model.requires_grad_(True)
        parts = [images, fakes, truths, shown]
        embeddings, fake, true, in_looks = encode_images(model, torch.cat(parts)).split(list(map(len, parts)))
        scale_now = model.logit_scale.exp().clamp(max=60)
        loss = batch_loss(embeddings, encode_texts(model, batch.tokens, batch.masks), quiz, batch, scale_now)
        fooled = torch.zeros(())
        if adversary is not None:
            fooled = adversary_loss(fake, true, quiz[_CHANGED][labels], scale_now)
            loss = loss + ADVERSARY_WEIGHT * fooled
        if options.looks:
            alike = look_loss(in_looks, looks, scale_now)
            read = question_loss(in_looks, quiz[len(DOMAINS) + 1 :], answers[:, 1:], scale_now, SMILE_WEIGHT)
            loss = loss + LOOK_WEIGHT * (alike + read)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        run.count()
        losses.append((loss.item(), fooled.item()))
        if run.step % 50 == 0:
            means = np.mean(losses[-50:], axis=0).round(3).tolist()
            print(
                f"{run.describe(BATCH)}, loss and adversary's {means}, "
                f"scale {model.logit_scale.exp().item():.1f}",
                flush=True,
            )
        run.save_now_and_then()
    run.save()
    model.eval()
    return {"steps": run.step, "pictures_seen": run.step * BATCH, "minutes": run.minutes}


def save(model: CLIPModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the folder that transformers and `Encoder` open; weights in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    model.float()
    tokenizer.save_pretrained(folder)
    side = {"height": drawings.RESOLUTION, "width": drawings.RESOLUTION}
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "CLIPImageProcessor",
            "do_resize": True,
            "size": {"shortest_edge": drawings.RESOLUTION},
            "resample": 3,
            "do_center_crop": True,
            "crop_size": side,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "do_convert_rgb": True,
        },
    )
    write_json(
        folder / "tokenizer_config.json",
        {
            # The class name that every transformers knows; version 5 would write one of its own.
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "[BOS]",
            "eos_token": "[EOS]",
            "unk_token": "[UNK]",
            "pad_token": "[PAD]",
            "model_max_length": LONGEST_TEXT,
        },
    )
    write_json(folder / "guidance.json", FACES.to_dict())
    write_json(folder / "vocabulary.json", describe_vocabulary())


def measure(encoder: Encoder, count: int) -> dict[str, Any]:
    """Zero-shot accuracy on held-out drawings: domains, plain and attacked, and attributes of photos."""
    zero_shot = ZeroShotClassifier.from_phrases(
        encoder, {name: synthfaces.DOMAINS[name].phrases[0] for name in DOMAINS}
    )
    plain: dict[str, float] = {}
    attacked: dict[str, list[float]] = {"l2_2": [], "linf_4_255": []}
    for label, name in enumerate(DOMAINS):
        images = from_uint8(drawings.held_out(name, count)[0])
        labels = torch.full((count,), label)
        plain[name] = _share(zero_shot(images), labels)
        attacked["l2_2"].append(
            _share(zero_shot(pgd_attack(zero_shot, images, labels, l2_radius=2.0)), labels)
        )
        attacked["linf_4_255"].append(
            _share(zero_shot(pgd_attack(zero_shot, images, labels, linf_radius=8 / 255)), labels)
        )
    return {
        "domains": round(float(np.mean(list(plain.values()))), 4),
        "domains_attacked": {key: round(float(np.mean(shares)), 4) for key, shares in attacked.items()},
        "attributes": measure_attributes(encoder, 8 * count),
        "by_domain": plain,
    }


def measure_attributes(encoder: Encoder, count: int) -> dict[str, float]:
    """Zero-shot accuracy of what a photo shows, of the faces that each question can be asked of."""
    pictures, faces = drawings.held_out(drawings.PHOTO, count)
    embeddings = map_batches(encoder.encode_images, from_uint8(pictures))
    told = torch.tensor([answer(face) for face in faces])
    shares = {}
    for column, (name, question) in enumerate(QUESTIONS.items()):
        asked = told[:, column] >= 0
        logits = ZeroShotClassifier(encoder, question.texts).logits(embeddings)
        shares[name] = _share(logits[asked], told[asked, column])
    return shares


def card(name: str, metrics: dict[str, Any], projection: int, made: str) -> str:
    """The README.md of the folder; `made` says with what it was made, from what."""
    attacked = metrics["domains_attacked"]
    return f"""# {name}

A CLIP of {metrics["parameters"]:,} parameters for 64 px faces of the procedural face world (`synthfaces`):
pictures and short English texts to {projection} numbers. It guides adaptations of the bundled
generator. It knows {metrics["words"]} words (`docs/vocabulary.md`), and nothing of real photographs.

- Files: as transformers' `CLIPModel` and `AutoTokenizer` save them (float16), `guidance.json`, the guidance
  that suits it, and `vocabulary.json`, the phrases that it was taught.
- Made by {made}:
  {metrics["pictures_seen"]:,} pictures seen in {metrics["minutes"]:g} minutes.
- Licence: Apache-2.0.
- Zero-shot on held-out drawings ({metrics["held_out"]} for each domain): the domain is named rightly in
  {100 * metrics["domains"]:.1f} %; after an attack of 5 steps within an L2 distance of 2 (pixels on
  [-1, 1]) in {100 * attacked["l2_2"]:.1f} %, within 4/255 for each pixel in
  {100 * attacked["linf_4_255"]:.1f} %.
- Limits: small networks are fooled by gradients. Guide with several at once, and judge with another.

{percent_table("attribute of photos", metrics["attributes"])}

{percent_table("domain", metrics["by_domain"])}
"""


def _made(options: argparse.Namespace) -> str:
    robust = f"--robust --radius {options.radius:g} " if options.robust else ""
    inputs = "drawings, corrupted and adversarial ones" if options.robust else "drawings"
    if options.generator is not None:
        inputs += ", and samples of the bundled generator"
    return (
        f"`recipes/train_encoder.py {robust}--seed {options.seed} --minutes {options.minutes:g}`\n"
        f"  `--width {options.width} --depth {options.depth}` from {inputs}"
    )


@torch.no_grad()
def _share(logits: Tensor, labels: Tensor) -> float:
    return round((logits.argmax(dim=1) == labels).float().mean().item(), 4)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the encoder")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path("data/encoder"), help="folder of the drawings")
    parser.add_argument("--world", type=int, default=11, help="seed of the drawings")
    drawings.add_counts(parser)
    parser.add_argument("--robust", action="store_true", help="train on what would fool it, too")
    parser.add_argument("--radius", type=float, default=4.0, help="greatest length of an attack, on [-1, 1]")
    parser.add_argument(
        "--color-changes",
        type=float,
        default=0.3,
        help="how far captions hold when colours change, 0 to 1; below 1 a wrong tint is a distortion",
    )
    parser.add_argument("--generator", type=Path, help="folder of a generator whose samples to add")
    parser.add_argument("--samples", type=int, default=4_000, help="number of samples of the generator")
    parser.add_argument(
        "--adversary",
        action="store_true",
        help="let vectors of the generator try to fool it, as guidance will",
    )
    parser.add_argument(
        "--looks", type=int, default=0, help="random looks in each batch that it learns to tell apart"
    )
    parser.add_argument("--init", type=Path, help="folder of an encoder to start from")
    parser.add_argument("--learning-rate", type=float, help="default 1e-3, with --init 4e-4")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--text-width", type=int, default=96)
    parser.add_argument("--text-depth", type=int, default=2)
    parser.add_argument("--projection", type=int, default=128)
    parser.add_argument("--held-out", type=int, default=60, help="number of each domain to measure on")
    options = parser.parse_args()
    if options.adversary and options.generator is None:
        parser.error("--adversary needs the generator that it bends: pass --generator FOLDER")
    if options.looks == 1:
        parser.error("--looks 1 leaves nothing to tell apart: pass 0, or 2 or more")
    options.learning_rate = options.learning_rate or (4e-4 if options.init else 1e-3)
    return options


def _main() -> None:
    options = _options()
    logging.disable_progress_bar()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    data = drawings.load(
        options.data, options.world, drawings.balanced(options.photos, options.others, options.compositions)
    )
    known = vocabulary() | {word for text in (*DISTORTED, *FACE_TEMPLATES) for word in words(text)}
    if options.init is None:
        tokenizer = build_tokenizer(known)
        model = build_model(tokenizer, options)
    else:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(options.init)
        model = CLIPModel.from_pretrained(options.init, use_safetensors=True).float()
        quicken(model)
        options.width = model.config.vision_config.hidden_size
        options.depth = model.config.vision_config.num_hidden_layers
        options.projection = model.config.projection_dim
    samples = None
    if options.generator is not None:
        samples = sample_generator(options.generator, options.samples, options.world + 1000)
    batches = Batches(data, samples, tokenizer, options.robust, options.seed, options.color_changes)
    print(
        f"{sum(p.numel() for p in model.parameters()):,} parameters, {batches.text_count:,} texts",
        flush=True,
    )
    done = train(model, batches, options)
    save(model, tokenizer, options.output)
    encoder = Encoder.from_pretrained(options.output)
    metrics = {
        **done,
        "seed": options.seed,
        "robust": options.robust,
        "parameters": sum(p.numel() for p in model.parameters()),
        "words": len(tokenizer) - 4,
        "held_out": options.held_out,
        **measure(encoder, options.held_out),
    }
    print(json.dumps(metrics, indent=2))
    text = card(options.output.resolve().name, metrics, options.projection, _made(options))
    write_card(options.output, text, metrics)
    (options.output / "checkpoint.pt").unlink(missing_ok=True)


if __name__ == "__main__":
    _main()
