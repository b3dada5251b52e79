"""A session: one adaptation as an iterator, alone or beside others."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from adaptation_toys import (
    CountingEncoder,
    Killed,
    Steps,
    ToyEncoder,
    assert_equal_results,
    kill_at,
    losses,
    toy_discriminator,
    toy_generator,
)

import domainvec as dv
from domainvec.adaptation import DiscriminatorTraining, Inversion, Training
from domainvec.domains import PARAMETERIZATIONS
from domainvec.errors import AdaptationError, DomainError, InputError
from domainvec.guidance import FACES, PUBLISHED, Augmentation, Guidance, Preservation

QUICK = {"steps": 6, "batch_size": 2}


def a_session(generator, encoder, target: str | dv.Target = "red", **changes) -> dv.Session:
    """A session of six steps; `changes` are of its training or its own."""
    own = {"guidance", "preservation", "checkpoint", "checkpoint_every", "resume", "metadata"}
    training = Training.for_encoder(encoder, guidance=changes.get("guidance")).replace(
        **QUICK | {name: value for name, value in changes.items() if name not in own}
    )
    rest = {name: value for name, value in changes.items() if name in own}
    target = target if isinstance(target, dv.Target) else dv.Text(target)
    return dv.Session(generator, encoder, target, training=training, **rest)


def run(session: dv.Session) -> dv.AdaptationResult:
    for _ in session:
        pass
    return session.result()


def test_networks_are_left_as_they_were(generator, encoder) -> None:
    generator.synthesis.to_rgbs[0].requires_grad_(False)
    before = copy.deepcopy(generator.state_dict())
    flags = {name: weight.requires_grad for name, weight in generator.named_parameters()}
    during = []
    for _ in a_session(generator, encoder):
        during += [weight.requires_grad for weight in [*generator.parameters(), *encoder.parameters()]]
    assert during and not any(during)
    assert flags == {name: weight.requires_grad for name, weight in generator.named_parameters()}
    assert all(weight.requires_grad and weight.grad is None for weight in encoder.parameters())
    assert all(weight.grad is None for weight in generator.parameters())
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())


def test_same_seed_same_domain_and_the_global_state_untouched(generator, encoder) -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = run(a_session(generator, encoder, seed=3, noise="random"))
    assert torch.equal(torch.get_rng_state(), state)
    torch.randn(3)
    assert_equal_results(first, run(a_session(generator, encoder, seed=3, noise="random")))
    other = run(a_session(generator, encoder, seed=4, noise="random"))
    assert not torch.equal(first.domain.vector, other.domain.vector)


def test_each_step_tells_how_far_the_session_is(generator, encoder) -> None:
    session = a_session(generator, encoder)
    assert (session.step, session.done) == (0, False)
    seen = []
    for progress in session:
        seen.append(progress)
        assert session.step == progress.step and session.done == (progress.step == 6)
    assert [(each.phase, each.step, each.total) for each in seen] == [("training", n, 6) for n in range(1, 7)]
    assert [(each.step, each.loss, each.terms) for each in seen] == losses(session.result())
    vectors = [progress.domain.vector for progress in seen]
    assert not any(vector.requires_grad for vector in vectors)
    assert all(not torch.equal(*pair) for pair in pairwise(vectors))
    assert torch.equal(vectors[-1].half().float(), session.result().domain.vector)
    assert list(session) == [] and session.step == 6


def test_pictures_are_inverted_before_the_training(generator, encoder, picture) -> None:
    target = dv.Picture(picture, inversion=Inversion(steps=3))
    seen = list(a_session(generator, encoder, target, steps=2))
    assert [(each.phase, each.step, each.total) for each in seen] == [
        ("inverting", 1, 3), ("inverting", 2, 3), ("inverting", 3, 3), ("training", 1, 2), ("training", 2, 2),
    ]  # fmt: skip
    assert all(each.terms == {} and not each.domain.vector.any() for each in seen[:3])
    assert seen[2].loss < seen[0].loss and seen[4].terms


def test_a_session_that_is_left_goes_on_where_it_was_in_the_same_process(generator, encoder) -> None:
    whole = run(a_session(generator, encoder, noise="random"))
    session = a_session(generator, encoder, noise="random")
    for progress in session:
        if progress.step == 2:
            break
    assert session.step == 2
    early = session.result()
    assert len(early.history) == 2 and torch.equal(early.domain.vector, progress.domain.vector.half().float())
    with session:
        steps = [progress.step for progress in session]
    assert steps == [3, 4, 5, 6]
    assert_equal_results(whole, session.result())


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
def test_a_session_that_is_left_is_resumed_to_the_bit(tmp_path, generator, stop) -> None:
    """In a `with` block or not, whether or not the last step was one of those that write the checkpoint."""
    guidance = Guidance(
        preservation=Preservation(l2=0.05, in_domain_angle=0.2),
        augmentation=Augmentation(),
        views=2,
        independent_views=True,
    )
    encoder = ToyEncoder(guidance=guidance)
    options = {"style_mixing": 0.5, "noise": "random", "seed": 2}
    whole = run(a_session(generator, encoder, **options))
    options |= {"checkpoint": tmp_path / "run.ckpt", "checkpoint_every": 2, "resume": True}
    if stop % 2:
        with a_session(generator, encoder, **options) as session:
            for progress in session:
                if progress.step == stop:
                    break
    else:
        for progress in a_session(generator, encoder, **options):
            if progress.step == stop:
                break
    torch.randn(7)
    session = a_session(generator, encoder, **options)
    assert session.step == stop
    assert [progress.step for progress in session] == list(range(stop + 1, 7))
    assert_equal_results(whole, session.result())
    again = a_session(generator, encoder, **options)  # which has nothing left to do
    assert again.done and list(again) == []
    assert_equal_results(whole, again.result())


def test_an_exception_of_the_caller_keeps_the_last_step(tmp_path, generator, encoder) -> None:
    options = {"checkpoint": tmp_path / "run.ckpt", "resume": True, **QUICK}
    whole = dv.adapt(generator, encoder, "red", **QUICK)
    steps = Steps()
    with pytest.raises(Killed):
        dv.adapt(generator, encoder, "red", callback=kill_at(3), **options)
    assert_equal_results(whole, dv.adapt(generator, encoder, "red", callback=steps, **options))
    assert steps == [4, 5, 6]


class Interrupted(ToyEncoder):
    """Is interrupted by Ctrl-C in the middle of a step: when it sees images for so many times."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return super().encode_images(images)


@pytest.mark.parametrize("image", ["source", "adapted"])
def test_an_interruption_inside_a_step_keeps_the_last_whole_step(tmp_path, generator, image) -> None:
    """Ctrl-C while the encoder looks at the images of the fourth step."""
    options = {"checkpoint": tmp_path / "run.ckpt", "checkpoint_every": 100, "resume": True}
    whole = run(a_session(generator, ToyEncoder(), noise="random"))
    interrupted = a_session(generator, Interrupted(7 if image == "source" else 8), noise="random", **options)
    with pytest.raises(KeyboardInterrupt):
        run(interrupted)
    assert len(interrupted.result().history) == 3
    session = a_session(generator, ToyEncoder(), noise="random", **options)
    assert session.step == 3
    assert_equal_results(whole, run(session))


def test_an_interruption_inside_a_step_keeps_the_inversion_too(tmp_path, generator) -> None:
    picture = dv.Picture(torch.zeros(3, 16, 16), inversion=Inversion(steps=3))
    options = {"checkpoint": tmp_path / "run.ckpt", "checkpoint_every": 100, "resume": True}
    whole = run(a_session(generator, ToyEncoder(), picture))
    with pytest.raises(KeyboardInterrupt):
        run(a_session(generator, Interrupted(8), picture, **options))
    session = a_session(generator, ToyEncoder(), picture, **options)
    assert session.step > 0
    assert_equal_results(whole, run(session))


def test_an_interruption_inside_a_step_with_a_discriminator_goes_back_to_the_checkpoint(
    tmp_path, generator, few
) -> None:
    """The discriminator has learnt from the step already, but the domain has not."""
    pictures = dv.Pictures(
        few,
        discriminator=toy_discriminator(),
        discriminator_training=DiscriminatorTraining(warmup_steps=1),
    )
    target, options = pictures + dv.Text("red"), {"batch_size": 4, "steps": 4}
    whole = run(a_session(generator, ToyEncoder(), target, **options))
    options |= {"checkpoint": tmp_path / "run.ckpt", "checkpoint_every": 2, "resume": True}
    with pytest.raises(KeyboardInterrupt):
        run(a_session(generator, Interrupted(8), target, **options))  # two looks a step: inside the fourth
    session = a_session(generator, ToyEncoder(), target, **options)
    assert session.step == 2
    assert_equal_results(whole, run(session))


def test_loss_that_is_not_finite_stops_the_session(tmp_path, generator) -> None:
    class Breaking(ToyEncoder):
        calls = 0

        def encode_images(self, images):
            self.calls += 1
            return super().encode_images(images) * (float("nan") if self.calls > 6 else 1.0)

    options = {"checkpoint": tmp_path / "run.ckpt", "checkpoint_every": 2}
    with pytest.raises(
        AdaptationError, match=r"step 4 of 6: the loss is nan.*last finite loss was [\d.]+.*below 0.1"
    ):
        run(a_session(generator, Breaking(), **options))
    resumed = a_session(generator, ToyEncoder(), **options, resume=True)
    assert [progress.step for progress in resumed] == [4, 5, 6]


def test_gradient_that_is_not_finite_stops_the_session(generator) -> None:
    class Cliff(ToyEncoder):
        def encode_images(self, images):
            # The value is finite, the slope at 0 is not.
            return super().encode_images(images + (images - images.detach()).abs().sqrt())

    with pytest.raises(AdaptationError, match=r"step 1 of 6: its gradient is not finite.*none was finite"):
        run(a_session(generator, Cliff()))


def test_a_result_needs_a_step_and_a_change(generator, encoder) -> None:
    with pytest.raises(AdaptationError, match="no step is done yet: iterate over the session first"):
        a_session(generator, encoder).result()

    class Still(ToyEncoder):
        def encode_images(self, images):
            return super().encode_images(0 * images)

    options = {"guidance": Guidance(direction=0, global_text=1.0, preservation=Preservation())}
    with pytest.raises(AdaptationError, match="the domain changes nothing and is not kept; train for"):
        run(a_session(generator, Still(), **options, steps=1))


@pytest.mark.parametrize("name", list(PARAMETERIZATIONS))
def test_every_parameterization_learns_and_resumes(tmp_path, generator, name) -> None:
    encoder = ToyEncoder(guidance=Guidance(preservation=Preservation(l2=0.01, in_domain_angle=0.2)))
    options = {"parameterization": name, "seed": 1}
    whole = run(a_session(generator, encoder, **options))
    assert whole.history[-1]["loss"] < whole.history[0]["loss"]
    assert whole.history[0]["terms"]["l2"] == 0 < whole.history[-1]["terms"]["l2"]
    assert whole.domain.metadata["parameterization"] == name
    assert all(weight.grad is None for weight in generator.parameters())
    options |= {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    for progress in a_session(generator, encoder, **options):
        if progress.step == 3:
            break
    assert_equal_results(whole, run(a_session(generator, encoder, **options)))
    whole.domain.save(tmp_path / "red.safetensors")
    loaded = dv.Domain.load(tmp_path / "red.safetensors", generator)
    assert torch.equal(loaded.vector, whole.domain.vector) and loaded.metadata == whole.domain.metadata


def test_metadata_says_where_the_domain_comes_from(generator, tmp_path) -> None:
    encoders = [ToyEncoder(0), ToyEncoder(1)]
    about = {"license": "CC0-1.0", "generator": "toy"}
    result = run(a_session(generator, encoders, seed=7, metadata=about))
    metadata = result.domain.metadata
    assert metadata["generator_fingerprint"] == generator.fingerprint
    assert (metadata["target"], metadata["source"]) == ("red", "a photo")
    assert (metadata["license"], metadata["generator"]) == ("CC0-1.0", "toy")
    assert metadata["encoders"] == [
        {"name": "toy-0", "fingerprint": "toy-fingerprint-0"},
        {"name": "toy-1", "fingerprint": "toy-fingerprint-1"},
    ]
    assert metadata["version"] == dv.__version__ and metadata["parameterization"] == "modulation"
    (target,) = metadata["targets"]
    assert (target["kind"], target["texts"], target["source"]) == ("text", ["red"], "a photo")
    assert target["weight"] == 1
    kept = metadata["preservation"]
    assert Guidance.from_dict({**target["guidance"], "preservation": kept}) == PUBLISHED
    assert Training.from_dict(metadata["training"]) == result.training
    assert (result.training.seed, result.training.steps) == (7, 6)

    result.domain.save(tmp_path / "red.safetensors")
    loaded = dv.Domain.load(tmp_path / "red.safetensors", generator)
    assert loaded.metadata == metadata
    assert torch.equal(loaded.vector, result.domain.vector)
    with pytest.raises(DomainError, match=generator.fingerprint):
        dv.Domain.load(tmp_path / "red.safetensors", toy_generator(seed=1))


def test_a_lower_resolution_leaves_the_layers_above_alone(encoder) -> None:
    generator = toy_generator(64)
    assert dv.Session(toy_generator(512), encoder, dv.Text("red")).training.resolution == 256
    assert (
        dv.Session(toy_generator(512), ToyEncoder(image_size=336), dv.Text("red")).training.resolution == 512
    )
    options = {"steps": 2, "resolution": 8, "parameterization": "modulation+rgb"}
    domain = run(a_session(generator, encoder, **options)).domain
    assert [bool(offset.any()) for offset in domain.offsets] == [True] * 3 + [False] * 6
    assert [bool(bias.any()) for bias in domain.rgb_bias] == [True] * 2 + [False] * 3


def test_last_steps_at_full_size_teach_the_layers_above(tmp_path, generator, encoder) -> None:
    """At 8 of 16 px the last two convolutions learn nothing, until the last step."""
    options = {"resolution": 8, "steps": 4, "source_pool": 4, "full_size_fraction": 0.25}
    session, used = a_session(generator, encoder, **options), []
    for progress in session:
        used.append([bool(offset.any()) for offset in progress.domain.offsets])
    assert used == [[True] * 3 + [False] * 2] * 3 + [[True] * 5]
    options |= {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    for progress in a_session(generator, encoder, **options):
        if progress.step == 3:
            break
    assert_equal_results(session.result(), run(a_session(generator, encoder, **options)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "faces-clip"}, "encoder is the text 'faces-clip': load it with Encoder.from_pretrained"),
        ({"target": "red"}, "target is 'red', expected Text, Picture, Pictures or a sum of them"),
        ({"resume": True}, "resume needs to know where the checkpoint is: pass checkpoint="),
        ({"checkpoint_every": 0}, "checkpoint_every is 0, expected 1 or more"),
        (
            {"training": Training(batch_size=1)},
            "batch_size is 1, but the in-domain angle and the luminance term compare the images of a batch",
        ),
        (
            {"training": Training(batch_size=1), "preservation": Preservation(luminance=1)},
            r"expected 2 or more, or a preservation without them \(in_domain_angle=0, luminance=0\)",
        ),
    ],
)
def test_what_would_fail_later_is_refused_at_once(generator, encoder, changes, message) -> None:
    arguments = {"generator": generator, "encoder": encoder, "target": dv.Text("red"), **changes}
    with pytest.raises(InputError, match=message):
        dv.Session(**arguments)


def test_the_in_domain_angle_needs_an_encoder(generator, few) -> None:
    target = dv.Pictures(few, discriminator=toy_discriminator())
    keep = Preservation(in_domain_angle=1.0)
    with pytest.raises(InputError, match="the in-domain angle needs an encoder; got none: pass one, or"):
        dv.Session(generator, [], target, preservation=keep)


@pytest.mark.parametrize(
    "order", [[0, 1, 0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 0, 0, 0]], ids=["first", "second"]
)
def test_sessions_that_overlap_leave_the_generator_as_it_was(generator, encoder, order) -> None:
    """Whichever ends first."""
    generator.synthesis.to_rgbs[0].requires_grad_(False)
    flags = [weight.requires_grad for weight in generator.parameters()]
    sessions = [a_session(generator, encoder, text, steps=4) for text in ("red", "blue")]
    alone = [run(a_session(generator, encoder, text, steps=4)) for text in ("red", "blue")]
    iterators = [iter(session) for session in sessions]
    for index in order:
        next(iterators[index])
    assert all(next(iterator, None) is None for iterator in iterators)
    assert [weight.requires_grad for weight in generator.parameters()] == flags
    assert all(weight.grad is None for weight in generator.parameters())
    for session, expected in zip(sessions, alone, strict=True):
        assert_equal_results(session.result(), expected)
    # Nothing is held from the sessions when the weights change afterwards.
    w = generator.mapping(torch.randn(2, 8))
    before = generator.synthesis(w)
    with torch.no_grad():
        generator.synthesis.convs[1].weight.mul_(-1)
    assert not torch.equal(generator.synthesis(w), before)


@pytest.mark.parametrize("guidance", [PUBLISHED, FACES], ids=["published", "robust"])
def test_each_of_several_results_is_that_of_its_session_alone(guidance) -> None:
    generator, encoder = toy_generator(32), CountingEncoder()
    changes = [
        {},
        {"target": dv.Text("blue", "navy"), "parameterization": "affine"},
        {"target": "green", "seed": 1},
    ]
    options = {"steps": 4, "guidance": guidance, "noise": "random"}
    together = dv.run_together([a_session(generator, encoder, **{**options, **each}) for each in changes])
    counts = [encoder.num_encoded]
    for each, result in zip(changes, together, strict=True):
        encoder.num_encoded = 0
        assert_equal_results(result, run(a_session(generator, encoder, **{**options, **each})))
        counts.append(encoder.num_encoded)
    alone = counts[1]
    assert counts == [alone // 2 * 5, alone, alone, alone]  # The first two share the source side.


def test_sessions_of_other_lengths_end_one_after_the_other(generator, encoder) -> None:
    lengths, told = (2, 4, 3), []
    sessions = [a_session(generator, encoder, steps=steps) for steps in lengths]
    results = dv.run_together(
        sessions, callback=lambda session, progress: told.append((session, progress.step))
    )
    assert [sessions.index(session) for session, _ in told] == [0, 1, 2, 0, 1, 2, 1, 2, 1]
    assert [step for _, step in told] == [1, 1, 1, 2, 2, 2, 3, 3, 4]
    for steps, result in zip(lengths, results, strict=True):
        assert_equal_results(result, run(a_session(generator, encoder, steps=steps)))
    options = {"resolution": 8, "full_size_fraction": 0.5}  # whose source images change in the middle
    shorter, longer = (a_session(generator, encoder, steps=steps, **options) for steps in (2, 4))
    assert_equal_results(
        dv.run_together([shorter, longer])[1], run(a_session(generator, encoder, steps=4, **options))
    )
    assert dv.run_together([]) == []


def test_the_source_pool_is_shared_too(tmp_path, monkeypatch, generator, encoder) -> None:
    monkeypatch.setenv("DOMAINVEC_CACHE", str(tmp_path))
    options = {"steps": 4, "source_pool": 4}
    together = dv.run_together([a_session(generator, encoder, text, **options) for text in ("red", "blue")])
    assert len(list((tmp_path / "sources").iterdir())) == 1
    assert_equal_results(together[1], run(a_session(generator, encoder, "blue", **options)))


def test_several_sessions_are_interrupted_and_resumed(tmp_path, generator, encoder) -> None:
    def sessions(**options) -> list[dv.Session]:
        return [
            a_session(
                generator, encoder, text, steps=4, **{name: path / text for name, path in options.items()}
            )
            for text in ("red", "blue")
        ]

    whole = dv.run_together(sessions())

    def stop(session: dv.Session, progress: dv.Progress) -> None:
        if session.target.label == "'blue'":
            kill_at(3)(progress)

    with pytest.raises(Killed):
        dv.run_together(sessions(checkpoint=tmp_path), stop)
    again = [
        a_session(generator, encoder, text, steps=4, checkpoint=tmp_path / text, resume=True)
        for text in ("red", "blue")
    ]
    done = []
    resumed = dv.run_together(again, lambda session, progress: done.append(progress.step))
    for first, second in zip(whole, resumed, strict=True):
        assert_equal_results(first, second)
    assert done == [4, 4]


def test_a_session_that_diverges_leaves_the_others_their_checkpoints(tmp_path, generator) -> None:
    class Breaking(ToyEncoder):
        broken = False

        def encode_images(self, images: torch.Tensor) -> torch.Tensor:
            return super().encode_images(images) * (float("nan") if self.broken else 1.0)

    encoder = Breaking()
    sessions = [
        a_session(generator, encoder, text, steps=4, checkpoint=tmp_path / text) for text in ("red", "blue")
    ]

    def break_at_two(session: dv.Session, progress: dv.Progress) -> None:
        encoder.broken = progress.step == 2

    with pytest.raises(AdaptationError, match="step 2 of 4: the loss is nan"):
        dv.run_together(sessions, break_at_two)
    encoder.broken = False
    resumed = [
        a_session(generator, encoder, text, steps=4, checkpoint=tmp_path / text, resume=True)
        for text in ("red", "blue")
    ]
    assert [session.step for session in resumed] == [2, 1]
    assert [progress.step for progress in resumed[0]] == [3, 4]


def test_mistakes_are_found_before_anything_is_trained(generator) -> None:
    encoder = CountingEncoder()
    with pytest.raises(InputError, match="steps is 0"):
        dv.run_together([a_session(generator, encoder), a_session(generator, encoder, "blue", steps=0)])
    assert encoder.num_encoded == 0


def test_adam_forgets_the_first_gradient_and_goes_on_from_there(generator, encoder, tmp_path):
    def session(forget: bool = True, **options) -> dv.Session:
        training = dv.Training(
            steps=6, batch_size=2, learning_rate=0.1, precision="float32", forget_first_gradient=forget
        )
        return dv.Session(generator, encoder, dv.Text("a sketch"), training=training, **options)

    norms, vectors = [], []
    whole = session()
    for progress in whole:
        norms.append(whole.learnable.vector.grad.norm().item())
        vectors.append(progress.domain.vector)
    assert norms[0] > 3 * max(norms[1:]), "what there is to forget"
    # Alone, the first two steps of Adam are as long as the learning rate: each is the first that it knows.
    for change in (vectors[0], vectors[1] - vectors[0]):
        assert change.abs().median() == pytest.approx(0.1, rel=0.01)
    other = session(forget=False)
    assert torch.equal(next(iter(other)).domain.vector, vectors[0])
    with session(checkpoint=tmp_path / "checkpoint") as first:
        next(iter(first))
    resumed = session(checkpoint=tmp_path / "checkpoint", resume=True)
    assert [progress.step for progress in resumed] == [2, 3, 4, 5, 6]
    assert_equal_results(whole.result(), resumed.result())
