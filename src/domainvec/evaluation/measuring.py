"""Measuring domain files side by side, with a folder of pictures to compare with or without."""

from __future__ import annotations

import math
import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from domainvec import __version__
from domainvec.domains.domain import Domain
from domainvec.encoders import Encoder
from domainvec.encoders.encoder import UnknownWordsWarning
from domainvec.encoders.templates import GENERAL_TEMPLATES, compose
from domainvec.errors import CheckpointError, InputError
from domainvec.evaluation.accuracy import domain_accuracy
from domainvec.evaluation.estimate import Estimate, bootstrap, mean_estimate
from domainvec.evaluation.features import in_parts
from domainvec.evaluation.figures import DomainFigures, Evaluation
from domainvec.evaluation.frechet import frechet_distance
from domainvec.evaluation.identity import identity
from domainvec.evaluation.judge import Judge
from domainvec.evaluation.kernel import kernel_distance
from domainvec.evaluation.perceptual import INCEPTION, LPIPS, inception_features, lpips_distance
from domainvec.evaluation.quality import embedding_diversity, text_quality
from domainvec.evaluation.report import DomainReport, evaluate_domain
from domainvec.evaluation.truth import Draw, knows_faces, pairs_for, true_drawings, visible_questions
from domainvec.picture_files import PictureFolder
from domainvec.seeds import latents
from domainvec.stylegan2.network import Generator

FeaturesName = Literal["auto", "inception", "encoder", "judge"]
"""What sees the pictures for the distances to a reference folder."""

JUDGE = "the judge of the face world"
"""What the output calls its features."""

LEAST = 8
"""Fewest pictures of a sample and of a reference folder."""

_PIXELS_AT_ONCE = 8 * 256 * 256
_LARGEST_KEPT = 256
_SHOWN = 16
_KERNEL_ROWS = 1000
_DRAWN_AGAIN = 50
_LONGEST_TEXT = 300


class Candidate(NamedTuple):
    """A domain to measure: its name in the tables, the domain, and the size of its file in bytes."""

    name: str
    domain: Domain
    bytes: int | None = None


class Features(NamedTuple):
    """What sees the pictures: its name, and a function of pictures of 8 bits (N, 3, H, W) to (N, D)."""

    name: str
    of: Callable[[Tensor], Tensor]


@torch.no_grad()
def measure_domains(
    generator: Generator,
    candidates: Sequence[Candidate],
    *,
    encoder: Encoder | None = None,
    reference: PictureFolder | None = None,
    features: FeaturesName = "auto",
    worlds: Sequence[str] = (),
    texts: Sequence[str] = (),
    templates: Sequence[str] | None = None,
    samples: int = 400,
    seed: int = 0,
    batch_size: int | None = None,
    truncation: float = 1.0,
    lpips: bool = True,
    judge: Judge | None = None,
    draw: Draw = true_drawings,
    on_domain: Callable[[str], object] = lambda name: None,
) -> Evaluation:
    """Measure domains of one generator on the same faces.

    All networks look at the pictures as files would hold them: clipped, 8 bits.

    Args:
        generator: on the device that everything is computed on.
        candidates: the domains, which fit the generator.
        encoder: for Quality and Diversity; None leaves them out.
        reference: pictures to compare with; None leaves the distances out.
        features: what they are compared in; "auto" is Inception where it can be had, else the judge for a
            generator of the face world, else the encoder.
        worlds: the face world's name of each domain, or one for all; measures against true drawings too.
        texts: what the domains should show; by default what their files name as target.
        templates: sentences around it; by default those that suit the encoder.
        samples: number of pictures, at least 8.
        seed: of the first face; the others have the seeds that follow.
        batch_size: pictures drawn at once; by default what fits into memory.
        truncation: 1 keeps all variety; towards 0 the pictures become more typical.
        lpips: whether to measure LPIPS where it can be had.
        judge: who reads faces; the bundled one if None.
        draw: the face world.
        on_domain: called with each name before it is measured.

    Raises:
        CheckpointError: if the judge that a world's domain needs cannot be read.
        InputError: if a number is out of range, the features cannot be had, a text names nothing, or the
            judge does not know a world's domain.
        ShapeError: if a domain does not fit the generator.
        UnknownDomainError: if the world has no such domain.
    """
    _check(candidates, samples, batch_size, truncation, worlds)
    device = generator.mapping.w_avg.device
    batch_size = batch_size or max(1, _PIXELS_AT_ONCE // generator.resolution**2)
    notes: list[str] = []
    needed = bool(worlds) or features == "judge"
    of_faces = _is_of_faces(generator, draw, notes)
    judge = _find_judge(judge, needed, notes) if needed or of_faces else None
    if judge is not None:
        for name in worlds:
            judge.answers(name)
    seer = None
    if reference is not None:
        seer = _choose_features(features, encoder, judge, device, notes)
    distance = _load_lpips(device, notes) if lpips else None

    w = torch.cat(
        [
            generator.mapping(z.to(device), truncation_psi=truncation)
            for z in torch.split(latents(range(seed, seed + samples), generator.z_dim), batch_size)
        ]
    )
    look = _Look(encoder, seer, device)
    before = look(_drawn(generator, w, None, batch_size))
    compared = shown = None
    if reference is not None and seer is not None:
        seen: list[Tensor] = []
        shown = torch.empty(0, dtype=torch.uint8)
        for batch in reference.pictures(generator.resolution, batch_size):
            seen.append(seer.of(batch).cpu())
            if len(shown) < _SHOWN:
                shown = torch.cat([shown, _reduced(batch)])[:_SHOWN]
        compared = torch.cat(seen)
        width = compared.shape[1]
        if min(len(compared), samples) <= width:
            notes.append(
                f"{samples} samples and {len(compared)} reference pictures are few for features of "
                f"{width} numbers: the Fréchet distance is too large; trust the kernel distance, and compare "
                f"at equal numbers only"
            )
    unadapted = _of_unadapted(before, compared, distance, batch_size)
    pairs = (
        pairs_for(generator, seed, samples, features=judge.features, draw=draw) if worlds and judge else None
    )

    measured = []
    for index, candidate in enumerate(candidates):
        on_domain(candidate.name)
        view = look(_drawn(generator, w, candidate.domain, batch_size))
        row = _Row(candidate, texts or target_texts(candidate.domain.metadata), unadapted)
        if encoder is not None:
            row.add_embeddings(encoder, templates, view, before)
        if compared is not None:
            row.add_distances(view, compared)
        if distance is not None:
            row.figures["lpips"] = _lpips_within(distance, view, batch_size)
        world = worlds[index if len(worlds) > 1 else 0] if worlds else None
        if judge is not None and (of_faces or world):
            row.add_judgement(judge, view, before, world, ask_visible=draw is true_drawings)
        if world and judge is not None:
            row.report = evaluate_domain(
                generator, candidate.domain, world, judge, count=samples, seed=seed, pairs=pairs, draw=draw
            )
        truth = None
        if world and of_faces and truncation == 1:
            z = latents(range(seed, seed + min(samples, _SHOWN)), generator.z_dim)
            truth = _bytes(draw(z, world, view.pictures.shape[-1]))
        measured.append(row.finished(view, truth))
    return Evaluation(
        domains=tuple(measured),
        settings={
            "generator_fingerprint": generator.fingerprint,
            "resolution": generator.resolution,
            "samples": samples,
            "seed": seed,
            "truncation": truncation,
            "encoder": None if encoder is None else encoder.name,
            "encoder_fingerprint": None if encoder is None else encoder.fingerprint,
            "templates": None if encoder is None else list(_templates(encoder, templates)),
            "features": None if seer is None else seer.name,
            "reference": None if reference is None else reference.folder.resolve().name,
            "reference_pictures": None if reference is None else len(reference),
            "lpips": None if distance is None else LPIPS,
            "judge": None if judge is None else JUDGE,
            "batch_size": batch_size,
            "device": str(device),
            "version": __version__,
        },
        notes=tuple(notes),
        skipped={} if reference is None else reference.skipped,
        before=before.pictures[:_SHOWN],
        reference=shown,
    )


def target_texts(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts that a domain's metadata names as its target; none for a mix of several domains."""
    while isinstance(metadata.get("mix"), list) and len(metadata["mix"]) == 1:
        metadata = metadata["mix"][0]["domain"]  # a domain times a number
    target = metadata.get("target")
    listed = target if isinstance(target, list) else [target]
    texts = [text for text in listed if isinstance(text, str) and text.strip()]
    # Half a surrogate pair is text to JSON, but not to tokenizers.
    return tuple(text[:_LONGEST_TEXT].encode("utf-8", "replace").decode() for text in texts)


def guided(encoder: Encoder, metadata: Mapping[str, Any]) -> bool:
    """Whether a domain's metadata names this encoder among those that guided it, or a part of it."""
    return any(
        found.get("fingerprint") == encoder.fingerprint
        or (found.get("fingerprint") is None and found.get("name") == encoder.name)
        for found in guiding_encoders(metadata)
    )


def guiding_encoders(metadata: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a domain's metadata says of the encoders that guided it, those of the parts of a mix included."""
    waiting: list[Any] = [metadata]
    while waiting:
        about = waiting.pop()
        waiting += [part["domain"] for part in about.get("mix", ())] + list(about.get("stack", ()))
        encoders = about.get("encoders")
        if isinstance(encoders, list):
            yield from (entry for entry in encoders if isinstance(entry, dict))


class _View(NamedTuple):
    """What the networks make of one set of pictures."""

    pictures: Tensor
    """(N, 3, H, W) uint8, reduced to 256 px."""
    embeddings: Tensor | None
    features: Tensor | None
    seconds: float
    """For one picture, the networks' own time not included."""


class _Look:
    """Shows pictures to the encoder and to what gives features, a batch at a time."""

    def __init__(self, encoder: Encoder | None, features: Features | None, device: torch.device) -> None:
        self._encoder, self._features, self._device = encoder, features, device

    def __call__(self, batches: Iterator[Tensor]) -> _View:
        pictures, embeddings, features, seconds = [], [], [], 0.0
        while True:
            began = time.perf_counter()
            batch = next(batches, None)
            seconds += time.perf_counter() - began
            if batch is None:
                break
            pictures.append(_reduced(batch))
            if self._encoder is not None:
                embeddings.append(self._encoder.encode_images(_floats(batch, self._device)).cpu())
            if self._features is not None:
                features.append(self._features.of(batch).cpu())
        kept = torch.cat(pictures)
        return _View(
            kept,
            torch.cat(embeddings) if embeddings else None,
            torch.cat(features) if features else None,
            seconds / len(kept),
        )


class _Row:
    """The figures of one domain, as they come in, beside those of the unadapted pictures."""

    def __init__(self, candidate: Candidate, texts: Sequence[str], unadapted: Mapping[str, float]) -> None:
        self.candidate, self.texts = candidate, tuple(texts)
        self.figures: dict[str, Estimate] = {}
        self.before = dict(unadapted)
        self.seen_as: dict[str, float] = {}
        self.by_question: dict[str, float] = {}
        self.notes: list[str] = []
        self.guided = False
        self.report: DomainReport | None = None

    def add_embeddings(
        self, encoder: Encoder, templates: Sequence[str] | None, view: _View, before: _View
    ) -> None:
        assert view.embeddings is not None and before.embeddings is not None
        self.figures["diversity"] = embedding_diversity(view.embeddings)
        self.guided = guided(encoder, self.candidate.domain.metadata)
        if self.guided:
            self.notes.append(
                f"{encoder.name} guided this domain, so what it measures flatters it; name an encoder that "
                f"did not (--encoder)"
            )
        if not self.texts:
            self.notes.append("its file names no single target text, so it has no Quality; give one (--text)")
            return
        unknown = sorted({word for text in self.texts for word in encoder.unknown_words(text)})
        if unknown:
            self.notes.append(
                f"{encoder.name} does not know {', '.join(map(repr, unknown))}; Quality leaves it out"
            )
        sentences = [s for text in self.texts for s in compose(text, _templates(encoder, templates))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownWordsWarning)  # said above
            embedded = encoder.encode_texts(sentences).cpu()
        self.figures["quality"] = text_quality(view.embeddings, embedded)
        self.before["quality"] = text_quality(before.embeddings, embedded).value

    def add_distances(self, view: _View, compared: Tensor) -> None:
        assert view.features is not None
        distance = frechet_distance(view.features, compared)
        self.figures["frechet"] = Estimate(distance, distance, distance)
        ours, theirs = map(_some, (view.features, compared))
        self.figures["kernel"] = bootstrap(kernel_distance, ours, theirs, n=_DRAWN_AGAIN)

    def add_judgement(
        self, judge: Judge, view: _View, before: _View, world: str | None, *, ask_visible: bool
    ) -> None:
        adapted, unadapted = (_floats(each.pictures) for each in (view, before))
        verdicts = in_parts(lambda part: judge.domain_log_probabilities(part).argmax(1), adapted)
        counts = Counter(judge.names[index] for index in verdicts.tolist())
        self.seen_as = {name: count / len(adapted) for name, count in counts.most_common(3)}
        name = world or self._named(judge)
        questions = None
        if name is not None:
            self.figures["accuracy"] = domain_accuracy(judge, adapted, name).accuracy
            self.before["accuracy"] = domain_accuracy(judge, unadapted, name).accuracy.value
            if ask_visible:
                questions = [question for question in visible_questions(name) if question in judge.heads]
        found = identity(judge, unadapted, adapted, questions)
        self.figures["identity"], self.by_question = found.agreement, found.by_question

    def _named(self, judge: Judge) -> str | None:
        """The judge's name for the target text, if it is just that: "a pencil sketch" is pencil_sketch."""
        names = {
            re.sub(r"^(an?|the) ", "", " ".join(text.lower().split())).replace(" ", "_")
            for text in self.texts
        }
        known = names & set(judge.names)
        return known.pop() if len(known) == 1 else None

    def finished(self, view: _View, truth: Tensor | None) -> DomainFigures:
        domain = self.candidate.domain
        return DomainFigures(
            name=self.candidate.name,
            target=self.texts,
            parameters=domain.size,
            nonzero=domain.num_nonzero,
            bytes=self.candidate.bytes,
            seconds=view.seconds,
            figures=self.figures,
            before=self.before,
            seen_as=self.seen_as,
            identity_by_question=self.by_question,
            report=self.report,
            guided_by_encoder=self.guided,
            notes=tuple(self.notes),
            metadata=domain.metadata,
            pictures=view.pictures[:_SHOWN],
            truth=truth,
        )


def _of_unadapted(
    before: _View,
    compared: Tensor | None,
    distance: Callable[[Tensor, Tensor], Tensor] | None,
    batch_size: int,
) -> dict[str, float]:
    """Measure what does not depend on a domain; `compared` are the features of the reference pictures."""
    figures = {}
    if before.embeddings is not None:
        figures["diversity"] = embedding_diversity(before.embeddings).value
    if compared is not None and before.features is not None:
        figures["frechet"] = frechet_distance(before.features, compared)
        figures["kernel"] = kernel_distance(_some(before.features), _some(compared))
    if distance is not None:
        figures["lpips"] = _lpips_within(distance, before, batch_size).value
    return figures


def _check(
    candidates: Sequence[Candidate],
    samples: int,
    batch_size: int | None,
    truncation: float,
    worlds: Sequence[str],
) -> None:
    if not candidates:
        raise InputError("no domains; expected at least one")
    if samples < LEAST:
        raise InputError(f"samples is {samples}; expected at least {LEAST} pictures")
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; expected 1 or more")
    if not -10 <= truncation <= 10:
        raise InputError(f"truncation must be a number from -10 to 10, not {truncation}; 1 keeps all variety")
    if len(worlds) not in (0, 1, len(candidates)):
        raise InputError(
            f"{len(worlds)} names of the world for {len(candidates)} domains; expected one for "
            f"all, or one for each"
        )


def _is_of_faces(generator: Generator, draw: Draw, notes: list[str]) -> bool:
    try:
        return knows_faces(generator, draw)
    except InputError as error:  # the world's libraries are an extra
        notes.append(f"the judge was left out: {error}")
        return False


def _find_judge(judge: Judge | None, needed: bool, notes: list[str]) -> Judge | None:
    if judge is not None:
        return judge
    try:
        return Judge.from_pretrained()
    except CheckpointError as error:
        if needed:
            raise
        notes.append(f"the judge was left out: {error}")
        return None


def _choose_features(
    name: FeaturesName,
    encoder: Encoder | None,
    judge: Judge | None,
    device: torch.device,
    notes: list[str],
) -> Features:
    if name in ("auto", "inception"):
        try:
            return Features(INCEPTION, inception_features(device))
        except InputError as error:
            if name == "inception":
                raise
            notes.append(f"the distances are not FID and KID, which need Inception: {error}")
    if judge is not None and name != "encoder":
        seen = judge.features
        return Features(JUDGE, lambda part: seen(_floats(part)))
    if encoder is not None and name != "judge":
        embed = encoder.encode_images
        return Features(f"the encoder {encoder.name}", lambda part: embed(_floats(part, device)))
    raise InputError(
        "there are no features to compare pictures in: name an encoder (--encoder), or install Inception "
        "with pip install 'domainvec[metrics]'"
    )


def _load_lpips(device: torch.device, notes: list[str]) -> Callable[[Tensor, Tensor], Tensor] | None:
    try:
        return lpips_distance(device)
    except InputError as error:
        notes.append(f"LPIPS was left out: {error}")
        return None


def _lpips_within(distance: Callable[[Tensor, Tensor], Tensor], view: _View, batch_size: int) -> Estimate:
    """Mean distance of each picture to the next one, the last to the first."""
    pairs = zip(
        torch.split(view.pictures, batch_size), torch.split(view.pictures.roll(1, 0), batch_size), strict=True
    )
    return mean_estimate(torch.cat([distance(first, second) for first, second in pairs]))


def _drawn(generator: Generator, w: Tensor, domain: Domain | None, batch_size: int) -> Iterator[Tensor]:
    """Draw pictures a batch at a time, (N, 3, R, R) uint8 on the CPU."""
    for part in torch.split(w, batch_size):
        yield _bytes(generator.synthesis(part, domain).float())


def _bytes(images: Tensor) -> Tensor:
    return images.mul(127.5).add(127.5).round().clamp(0, 255).to(torch.uint8).cpu()


def _floats(pictures: Tensor, device: torch.device | None = None) -> Tensor:
    return pictures.to(device or pictures.device).float().div(127.5).sub(1)


def _reduced(pictures: Tensor) -> Tensor:
    side = pictures.shape[-1]
    if side <= _LARGEST_KEPT:
        return pictures
    return _bytes(F.adaptive_avg_pool2d(_floats(pictures), _LARGEST_KEPT))


def _some(rows: Tensor) -> Tensor:
    """At most a thousand rows, from all over the set: the kernel needs memory for all pairs."""
    return rows[:: math.ceil(len(rows) / _KERNEL_ROWS)]


def _templates(encoder: Encoder, templates: Sequence[str] | None) -> Sequence[str]:
    if templates is not None:
        return templates
    return GENERAL_TEMPLATES if encoder.guidance is None else encoder.guidance.templates
