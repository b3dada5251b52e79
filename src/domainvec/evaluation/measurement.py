"""Evaluating domains of one generator side by side, optionally against a folder of reference images."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from domainvec import __version__
from domainvec.domains.domain import Domain
from domainvec.domains.provenance import guiding_encoders, target_texts, unscaled
from domainvec.encoders import Encoder
from domainvec.encoders.encoder import UnknownWordsWarning
from domainvec.encoders.templates import GENERAL_TEMPLATES, compose
from domainvec.errors import CheckpointError, InputError
from domainvec.evaluation.accuracy import domain_accuracy
from domainvec.evaluation.estimate import Estimate, bootstrap, mean_estimate
from domainvec.evaluation.extractors import (
    JUDGE,
    FeatureExtractor,
    FeaturesName,
    choose_extractor,
    load_lpips,
)
from domainvec.evaluation.features import dequantize, map_batches, quantize
from domainvec.evaluation.frechet import frechet_distance
from domainvec.evaluation.identity import identity
from domainvec.evaluation.judge import Judge
from domainvec.evaluation.kernel import kernel_distance
from domainvec.evaluation.metrics import DomainMetrics, Evaluation
from domainvec.evaluation.perceptual import LPIPS
from domainvec.evaluation.quality import embedding_diversity, text_quality
from domainvec.evaluation.renderings import FacePairs, Renderer, find_pairs, render_faces, shares_face_latents
from domainvec.evaluation.report import DomainReport, evaluate_domain, questions_about
from domainvec.evaluation.sampling import Sample, Sampling, extract_all, sample
from domainvec.picture_files import PictureFolder
from domainvec.seeds import latents
from domainvec.stylegan2.network import Generator

_NUM_SHOWN = 16
_KERNEL_ROWS = 1000
_NUM_RESAMPLES = 50


class Candidate(NamedTuple):
    """A domain to evaluate."""

    name: str
    """Name in tables."""
    domain: Domain
    bytes: int | None = None
    """Size of its file."""
    ground_truth: str | None = None
    """The domain of `synthfaces` whose renderings are its ground truth, such as "pencil_sketch"."""
    texts: Sequence[str] = ()
    """What the images should show; by default the target texts in its metadata."""


@torch.no_grad()
def measure_domains(
    generator: Generator,
    candidates: Sequence[Candidate],
    *,
    sampling: Sampling | None = None,
    encoder: Encoder | None = None,
    templates: Sequence[str] | None = None,
    reference: PictureFolder | None = None,
    features: FeaturesName = "auto",
    lpips: bool = True,
    judge: Judge | None = None,
    renderer: Renderer = render_faces,
    on_domain: Callable[[str], object] = lambda name: None,
) -> Evaluation:
    """Evaluate domains of one generator on the same faces.

    All metrics are computed on images as files would store them, clipped and with 8 bits per channel.

    Args:
        generator: the generator; its device is used for all computations but those of the judge.
        candidates: domains that fit the generator.
        sampling: which images to sample.
        encoder: measures Quality and Diversity; None to leave them out.
        templates: sentences to insert the texts into; by default those of the encoder.
        reference: images to compare with; None to leave out the distances.
        features: what to compare them with; "auto" is Inception if available, else the judge for generators
            of rendered faces, else the encoder.
        lpips: whether to measure LPIPS if it is available.
        judge: the classifier; the bundled one if None.
        renderer: renders the ground truth.
        on_domain: called with the name of each domain before it is evaluated.

    Raises:
        CheckpointError: if a ground truth is given and the judge cannot be loaded.
        InputError: if there are no candidates, the features are not available, a text is invalid, or the
            judge does not know a ground truth.
        ShapeError: if a domain does not fit the generator.
        UnknownDomainError: if the renderer does not know a ground truth.
    """
    if not candidates:
        raise InputError("no domains; expected at least one")
    sampling = sampling or Sampling()
    device = generator.mapping.w_avg.device
    notes: list[str] = []
    ground_truths = [each.ground_truth for each in candidates if each.ground_truth]
    of_faces = _is_face_generator(generator, renderer, notes)
    required = bool(ground_truths) or features == "judge"
    judge = _load_judge(judge, required, notes) if required or of_faces else None
    if judge is not None:
        for name in ground_truths:
            judge.class_indices(name)
    extractor = None if reference is None else choose_extractor(features, encoder, judge, device, notes)
    evaluator = _Evaluator(
        generator,
        sampling,
        encoder,
        _default_templates(encoder) if templates is None else templates,
        extractor,
        load_lpips(device, notes) if lpips else None,
        judge,
        renderer,
        of_faces,
    )
    shown = None
    if reference is not None:
        shown = evaluator.extract_reference(reference, notes)
    evaluator.measure_before(find_faces=bool(ground_truths))
    measured = []
    for candidate in candidates:
        on_domain(candidate.name)
        measured.append(evaluator.measure(candidate))
    return Evaluation(
        domains=tuple(measured),
        settings=evaluator.settings(reference),
        notes=tuple(notes),
        skipped={} if reference is None else reference.skipped,
        before=evaluator.before.images[:_NUM_SHOWN],
        reference=shown,
    )


class _Evaluator:
    """Evaluates domains one after the other, on the same latents and against the same references."""

    def __init__(
        self,
        generator: Generator,
        sampling: Sampling,
        encoder: Encoder | None,
        templates: Sequence[str],
        extractor: FeatureExtractor | None,
        lpips: Callable[[Tensor, Tensor], Tensor] | None,
        judge: Judge | None,
        renderer: Renderer,
        of_faces: bool,
    ) -> None:
        self.generator, self.sampling = generator, sampling
        self.encoder, self.templates = encoder, templates
        self.extractor, self.lpips = extractor, lpips
        self.judge, self.renderer, self.of_faces = judge, renderer, of_faces
        self.batch_size = sampling.batch_size_for(generator)
        self.w = sampling.latents(generator)
        self.reference: Tensor | None = None
        """Features of the reference images, (M, D)."""
        self.before: Sample
        """Images of the unadapted generator."""
        self.before_values: dict[str, float] = {}
        """Metrics of these images that do not depend on a domain."""
        self.pairs: FacePairs | None = None

    def extract_reference(self, reference: PictureFolder, notes: list[str]) -> Tensor:
        """Compute the features of the reference images, and return some of the images."""
        assert self.extractor is not None
        batches = reference.pictures(self.generator.resolution, self.batch_size)
        self.reference, shown = extract_all(self.extractor, batches, _NUM_SHOWN)
        if min(len(self.reference), self.sampling.samples) <= self.reference.shape[1]:
            notes.append(
                f"{self.sampling.samples} samples and {len(self.reference)} reference images are few for "
                f"features of {self.reference.shape[1]} dimensions: the Fréchet distance is too large. "
                f"Prefer the kernel distance, and compare only equal numbers of images"
            )
        return shown

    def measure_before(self, *, find_faces: bool) -> None:
        """Sample and measure images of the unadapted generator."""
        self.before = self._sample(None)
        self.before_values = {key: value.value for key, value in self._distribution(self.before).items()}
        if find_faces and self.judge is not None:
            self.pairs = find_pairs(
                self.generator,
                self.sampling.seed,
                self.sampling.samples,
                features=self.judge.features,
                renderer=self.renderer,
            )

    def measure(self, candidate: Candidate) -> DomainMetrics:
        """Evaluate a domain."""
        domain, notes = candidate.domain, list[str]()
        texts = tuple(candidate.texts) or target_texts(domain.metadata)
        adapted = self._sample(domain)
        values, before = self._distribution(adapted), dict(self.before_values)
        if self.encoder is not None and not texts and "mix" in unscaled(domain.metadata):
            notes.append("a mix has no single target text, so Quality was left out; give one with --text")
        elif self.encoder is not None and texts:
            values["quality"], before["quality"] = self._quality(self.encoder, texts, adapted, notes)
        seen_as, by_question = {}, {}
        if self.judge is not None and (self.of_faces or candidate.ground_truth):
            images = dequantize(adapted.images)
            seen_as = _predicted_domains(self.judge, images)
            name = candidate.ground_truth or _domain_named(texts, self.judge)
            unadapted, questions = dequantize(self.before.images), None
            if name is not None:
                values["accuracy"] = domain_accuracy(self.judge, images, name).accuracy
                before["accuracy"] = domain_accuracy(self.judge, unadapted, name).accuracy.value
                questions = questions_about(name, self.judge, self.renderer)
            result = identity(self.judge, unadapted, images, questions)
            values["identity"], by_question = result.agreement, result.by_question
        return DomainMetrics(
            name=candidate.name,
            target=texts,
            parameters=domain.size,
            nonzero=domain.num_nonzero,
            bytes=candidate.bytes,
            seconds=adapted.seconds,
            values=values,
            before=before,
            seen_as=seen_as,
            identity_by_question=by_question,
            report=self._report(candidate),
            guided_by_encoder=self.encoder is not None and guided(self.encoder, domain.metadata),
            notes=tuple(notes),
            metadata=domain.metadata,
            images=adapted.images[:_NUM_SHOWN],
            renderings=self._renderings(candidate.ground_truth, adapted.images.shape[-1]),
        )

    def settings(self, reference: PictureFolder | None) -> dict[str, Any]:
        """Describe how the domains were evaluated."""
        return {
            "generator_fingerprint": self.generator.fingerprint,
            "resolution": self.generator.resolution,
            "samples": self.sampling.samples,
            "seed": self.sampling.seed,
            "truncation": self.sampling.truncation,
            "encoder": None if self.encoder is None else self.encoder.name,
            "encoder_fingerprint": None if self.encoder is None else self.encoder.fingerprint,
            "templates": None if self.encoder is None else list(self.templates),
            "features": None if self.extractor is None else self.extractor.name,
            "reference": None if reference is None else reference.folder.resolve().name,
            "reference_pictures": None if reference is None else len(reference),
            "lpips": None if self.lpips is None else LPIPS,
            "judge": None if self.judge is None else JUDGE,
            "batch_size": self.batch_size,
            "device": str(self.w.device),
            "version": __version__,
        }

    def _sample(self, domain: Domain | None) -> Sample:
        return sample(
            self.generator,
            self.w,
            domain,
            batch_size=self.batch_size,
            encoder=self.encoder,
            extractor=self.extractor,
        )

    def _distribution(self, images: Sample) -> dict[str, Estimate]:
        """Compute the metrics that do not depend on a target text or a ground truth."""
        values = {}
        if images.embeddings is not None:
            values["diversity"] = embedding_diversity(images.embeddings)
        if self.reference is not None and images.features is not None:
            distance = frechet_distance(images.features, self.reference)
            values["frechet"] = Estimate(distance, distance, distance)
            ours, theirs = _subsample(images.features), _subsample(self.reference)
            values["kernel"] = bootstrap(kernel_distance, ours, theirs, n=_NUM_RESAMPLES)
        if self.lpips is not None:
            # Distance of each image to the next one, of the last to the first.
            pairs = zip(
                torch.split(images.images, self.batch_size),
                torch.split(images.images.roll(1, 0), self.batch_size),
                strict=True,
            )
            values["lpips"] = mean_estimate(torch.cat([self.lpips(*pair) for pair in pairs]))
        return values

    def _quality(
        self, encoder: Encoder, texts: Sequence[str], adapted: Sample, notes: list[str]
    ) -> tuple[Estimate, float]:
        """Compute the Quality of adapted and of unadapted images."""
        unknown = sorted({word for text in texts for word in encoder.unknown_words(text)})
        if unknown:
            notes.append(f"{encoder.name} does not know {', '.join(map(repr, unknown))}; Quality ignores it")
        sentences = [sentence for text in texts for sentence in compose(text, self.templates)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownWordsWarning)  # already in the notes
            embedded = encoder.encode_texts(sentences).cpu()
        assert adapted.embeddings is not None and self.before.embeddings is not None
        before = text_quality(self.before.embeddings, embedded).value
        return text_quality(adapted.embeddings, embedded), before

    def _report(self, candidate: Candidate) -> DomainReport | None:
        if candidate.ground_truth is None:
            return None
        return evaluate_domain(
            self.generator,
            candidate.domain,
            candidate.ground_truth,
            self.judge,
            count=self.sampling.samples,
            seed=self.sampling.seed,
            pairs=self.pairs,
            renderer=self.renderer,
        )

    def _renderings(self, name: str | None, side: int) -> Tensor | None:
        """Render the first faces of the sample, (N, 3, side, side) uint8, if their attributes are known."""
        if name is None or not self.of_faces or self.sampling.truncation != 1:
            return None
        seed, count = self.sampling.seed, min(self.sampling.samples, _NUM_SHOWN)
        return quantize(self.renderer(latents(range(seed, seed + count), self.generator.z_dim), name, side))


def guided(encoder: Encoder, metadata: dict[str, Any]) -> bool:
    """Return whether an encoder is among those that guided a domain, or a part of it."""
    return any(
        entry.get("fingerprint") == encoder.fingerprint
        or (entry.get("fingerprint") is None and entry.get("name") == encoder.name)
        for entry in guiding_encoders(metadata)
    )


def _is_face_generator(generator: Generator, renderer: Renderer, notes: list[str]) -> bool:
    try:
        return shares_face_latents(generator, renderer)
    except InputError as error:  # optional dependencies are missing
        notes.append(f"the judge was left out: {error}")
        return False


def _load_judge(judge: Judge | None, required: bool, notes: list[str]) -> Judge | None:
    if judge is not None:
        return judge
    try:
        return Judge.from_pretrained()
    except CheckpointError as error:
        if required:
            raise
        notes.append(f"the judge was left out: {error}")
        return None


def _predicted_domains(judge: Judge, images: Tensor) -> dict[str, float]:
    """Return the shares of the three domains that the judge predicts most often."""
    predicted = map_batches(lambda batch: judge.domain_log_probabilities(batch).argmax(1), images)
    counts = Counter(judge.names[index] for index in predicted.tolist())
    return {name: count / len(images) for name, count in counts.most_common(3)}


def _domain_named(texts: Sequence[str], judge: Judge) -> str | None:
    """Return the domain that a target text names, such as pencil_sketch for "a pencil sketch"."""
    names = {
        re.sub(r"^(an?|the) ", "", " ".join(text.lower().split())).replace(" ", "_") for text in texts
    } & set(judge.names)
    return names.pop() if len(names) == 1 else None


def _subsample(rows: Tensor) -> Tensor:
    """Select at most a thousand rows, since the kernel needs memory for all pairs."""
    return rows[:: math.ceil(len(rows) / _KERNEL_ROWS)]


def _default_templates(encoder: Encoder | None) -> Sequence[str]:
    return encoder.guidance.templates if encoder and encoder.guidance else GENERAL_TEMPLATES
