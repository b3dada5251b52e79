from __future__ import annotations

import copy
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from adaptation_toys import Killed, ToyEncoder, assert_equal_runs, kill_at, losses, toy_generator

import domainvec as dv
from domainvec.adaptation import default_training
from domainvec.domains import PARAMETERIZATIONS
from domainvec.errors import AdaptationError, DomainError, InputError
from domainvec.guidance import FACES, PUBLISHED, Augmentation, Guidance

QUICK = {"steps": 6, "batch_size": 2}


def test_loss_falls_on_a_toy_target(generator, encoder) -> None:
    result = dv.adapt(generator, encoder, "red", steps=40, batch_size=8, style_mixing=0.5)
    history = [record["loss"] for record in result.history]
    assert len(history) == 40
    assert sum(history[-5:]) < 0.7 * sum(history[:5])
    assert result.history[0]["parts"].keys() == {"direction", "in_domain_angle"}
    seconds = [record["seconds"] for record in result.history]
    assert seconds == sorted(seconds) and result.seconds == seconds[-1]


def test_networks_are_left_as_they_were(generator, encoder) -> None:
    generator.synthesis.to_rgbs[0].requires_grad_(False)
    before = copy.deepcopy(generator.state_dict())
    flags = {name: weight.requires_grad for name, weight in generator.named_parameters()}
    seen = []
    dv.adapt(
        generator,
        encoder,
        "red",
        callback=lambda *_: seen.append(
            [w.requires_grad for w in [*generator.parameters(), *encoder.parameters()]]
        ),
        **QUICK,
    )
    assert not any(flag for step in seen for flag in step)
    assert flags == {name: weight.requires_grad for name, weight in generator.named_parameters()}
    assert all(weight.requires_grad and weight.grad is None for weight in encoder.parameters())
    assert all(weight.grad is None for weight in generator.parameters())
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())


def test_same_seed_same_domain_and_the_global_state_untouched(generator, encoder) -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = dv.adapt(generator, encoder, "red", seed=3, noise="random", **QUICK)
    assert torch.equal(torch.get_rng_state(), state)
    torch.randn(3)
    assert_equal_runs(first, dv.adapt(generator, encoder, "red", seed=3, noise="random", **QUICK))
    other = dv.adapt(generator, encoder, "red", seed=4, noise="random", **QUICK)
    assert not torch.equal(first.domain.vector, other.domain.vector)


def test_defaults_follow_the_guidance(generator) -> None:
    published = dv.adapt(generator, ToyEncoder(), "red", steps=1).settings
    assert published.guidance == PUBLISHED
    assert (published.parameterization, published.batch_size, published.learning_rate) == (
        "modulation",
        4,
        0.1,
    )
    assert (published.style_mixing, published.betas, published.resolution) == (0.9, (0.9, 0.999), 16)
    assert default_training(PUBLISHED).steps == 300

    encoder = ToyEncoder(guidance=FACES)
    robust = dv.adapt(toy_generator(32), encoder, "red", steps=1, learning_rate=0.01).settings
    assert (robust.parameterization, robust.batch_size, robust.style_mixing) == ("modulation+rgb", 8, 0.0)
    assert (robust.learning_rate, robust.warmup_steps, robust.decay_fraction) == (0.01, 10, 0.4)
    assert default_training(FACES).steps == 240


@pytest.mark.parametrize(
    ("guidance", "name", "rate"),
    [
        (PUBLISHED, "lora:2", 0.1 * 0.02),
        (PUBLISHED, "stylespace", 0.1 * 0.5),
        (FACES, "lora:2", 0.01),
        (FACES, "stylespace+rgb", 0.25),
        (FACES, "full", 0.05 * 0.02),
        (FACES, "modulation+rgb", 0.05),
    ],
)
def test_default_learning_rate_is_that_of_the_parameterization(guidance, name, rate) -> None:
    chosen = default_training(guidance).complete(steps=None, parameterization=name)
    assert chosen["learning_rate"] == pytest.approx(rate)
    given = default_training(guidance).complete(steps=None, parameterization=name, learning_rate=0.7)
    assert given["learning_rate"] == 0.7


def test_callback_is_told_of_each_step(generator, encoder) -> None:
    calls = []
    result = dv.adapt(generator, encoder, "red", callback=lambda *told: calls.append(told), **QUICK)
    assert [(step, loss, parts) for step, loss, parts, _ in calls] == losses(result)
    last = calls[-1][3]
    assert last.metadata["target"] == "red" and not last.vector.requires_grad
    assert torch.equal(last.vector.half().float(), result.domain.vector)
    assert not torch.equal(calls[0][3].vector, last.vector)


def test_metadata_says_where_the_domain_comes_from(generator, tmp_path) -> None:
    encoders = [ToyEncoder(0), ToyEncoder(1)]
    result = dv.adapt(
        generator,
        encoders,
        "red",
        "a photo",
        seed=7,
        metadata={"license": "CC0-1.0", "generator": "toy"},
        **QUICK,
    )
    metadata = result.domain.metadata
    assert metadata["generator_fingerprint"] == generator.fingerprint
    assert (metadata["target"], metadata["source"]) == ("red", "a photo")
    assert (metadata["license"], metadata["generator"]) == ("CC0-1.0", "toy")
    assert metadata["encoders"] == [
        {"name": "toy-0", "fingerprint": "toy-fingerprint-0"},
        {"name": "toy-1", "fingerprint": "toy-fingerprint-1"},
    ]
    assert metadata["version"] == dv.__version__
    assert Guidance.from_dict(metadata["guidance"]) == PUBLISHED
    rebuilt = dv.AdaptationSettings(
        **metadata["settings"],
        target=metadata["target"],
        source=metadata["source"],
        parameterization=metadata["parameterization"],
        guidance=Guidance.from_dict(metadata["guidance"]),
    )
    assert rebuilt == result.settings

    result.domain.save(tmp_path / "red.safetensors")
    loaded = dv.Domain.load(tmp_path / "red.safetensors", generator)
    assert loaded.metadata == metadata
    assert torch.equal(loaded.vector, result.domain.vector)
    with pytest.raises(DomainError, match=generator.fingerprint):
        dv.Domain.load(tmp_path / "red.safetensors", toy_generator(seed=1))


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, generator, stop) -> None:
    guidance = Guidance(
        augmentation=Augmentation(), views=2, independent_views=True, l2=0.05, in_domain_angle=0.2
    )
    encoder = ToyEncoder(guidance=guidance)
    arguments = {**QUICK, "style_mixing": 0.5, "noise": "random", "seed": 2}
    whole = dv.adapt(generator, encoder, "red", **arguments)
    arguments |= {"checkpoint": tmp_path / "run.ckpt", "checkpoint_every": 2, "resume": True}
    with pytest.raises(Killed):
        dv.adapt(generator, encoder, "red", callback=kill_at(stop), **arguments)
    torch.randn(7)
    steps = []
    resumed = dv.adapt(generator, encoder, "red", callback=lambda step, *_: steps.append(step), **arguments)
    assert steps == list(range(stop + 1, 7))
    assert_equal_runs(whole, resumed)
    assert_equal_runs(whole, dv.adapt(generator, encoder, "red", callback=kill_at(6), **arguments))


RUN = """
import sys, time, torch
sys.path.insert(0, sys.argv[1])
from adaptation_toys import ToyEncoder, toy_generator
import domainvec as dv
torch.set_num_threads(1)
slowly = lambda step, *_: (print(step, flush=True), time.sleep(0.05))
dv.adapt(toy_generator(), ToyEncoder(), "red", steps=200, batch_size=2, checkpoint=sys.argv[2],
         checkpoint_every=3, callback=slowly)
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_killed_process_is_resumed_to_the_same_result(
    tmp_path, generator, encoder, name, monkeypatch
) -> None:
    checkpoint = tmp_path / "run.ckpt"
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(Path(__file__).parent), str(checkpoint)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 4:
            break
    process.send_signal(getattr(signal, name))
    process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if name == "SIGKILL" else 128 + signal.SIGTERM)
    arguments = {"steps": 200, "batch_size": 2}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        steps, after = [], 12
        stopped = kill_at(after)

        def callback(step, *told):
            steps.append(step)
            stopped(step, *told)

        with pytest.raises(Killed):
            dv.adapt(
                generator, encoder, "red", checkpoint=checkpoint, resume=True, callback=callback, **arguments
            )
        assert (steps[0] == 4) if name == "SIGKILL" else (steps[0] >= 5)
        whole = tmp_path / "whole.ckpt"
        with pytest.raises(Killed):
            dv.adapt(generator, encoder, "red", checkpoint=whole, callback=kill_at(after), **arguments)
    finally:
        torch.set_num_threads(threads)
    from safetensors.torch import load_file

    resumed, uninterrupted = load_file(checkpoint), load_file(whole)
    assert all(torch.equal(resumed[key], uninterrupted[key]) for key in uninterrupted)


def test_loss_that_is_not_finite_stops_the_run(tmp_path, generator) -> None:
    class Breaking(ToyEncoder):
        calls = 0

        def encode_images(self, images):
            self.calls += 1
            return super().encode_images(images) * (float("nan") if self.calls > 6 else 1.0)

    checkpoint = tmp_path / "run.ckpt"
    with pytest.raises(
        AdaptationError, match=r"step 4 of 6: the loss is nan.*last finite loss was [\d.]+.*below 0.1"
    ):
        dv.adapt(generator, Breaking(), "red", checkpoint=checkpoint, checkpoint_every=2, **QUICK)
    resumed = []
    dv.adapt(
        generator,
        ToyEncoder(),
        "red",
        checkpoint=checkpoint,
        resume=True,
        callback=lambda step, *_: resumed.append(step),
        **QUICK,
    )
    assert resumed == [4, 5, 6]


def test_gradient_that_is_not_finite_stops_the_run(generator) -> None:
    class Cliff(ToyEncoder):
        def encode_images(self, images):
            # The value is finite, the slope at 0 is not.
            return super().encode_images(images + (images - images.detach()).abs().sqrt())

    with pytest.raises(AdaptationError, match=r"step 1 of 6: its gradient is not finite.*none was finite"):
        dv.adapt(generator, Cliff(), "red", **QUICK)


def test_checkpoint_path_is_tried_before_the_first_step(tmp_path, generator, encoder) -> None:
    (tmp_path / "file").write_text("")
    calls = []
    with pytest.raises(OSError):
        dv.adapt(
            generator,
            encoder,
            "red",
            checkpoint=tmp_path / "file" / "run.ckpt",
            callback=lambda *told: calls.append(told),
            **QUICK,
        )
    assert not calls


def test_a_run_that_starts_anew_keeps_the_checkpoint_of_an_earlier_one(tmp_path, generator, encoder) -> None:
    checkpoint, steps = tmp_path / "run.ckpt", []
    with pytest.raises(Killed):
        dv.adapt(generator, encoder, "red", checkpoint=checkpoint, callback=kill_at(4), **QUICK)
    with pytest.raises(Killed):  # without resume=True
        dv.adapt(generator, encoder, "red", checkpoint=checkpoint, callback=kill_at(1), **QUICK)
    (tmp_path / "run.ckpt.old").replace(checkpoint)
    arguments = {"checkpoint": checkpoint, "resume": True, **QUICK}
    dv.adapt(generator, encoder, "red", callback=lambda step, *_: steps.append(step), **arguments)
    assert steps == [5, 6]


def test_refused_prompts_leave_no_checkpoint(tmp_path, generator, encoder) -> None:
    checkpoint = tmp_path / "run.ckpt"
    with pytest.raises(InputError, match="are the same text"):
        dv.adapt(generator, encoder, "a photo", checkpoint=checkpoint, **QUICK)
    assert list(tmp_path.iterdir()) == []


def test_refused_prompts_leave_an_earlier_checkpoint_alone(tmp_path, generator, encoder) -> None:
    checkpoint = tmp_path / "run.ckpt"
    checkpoint.write_bytes(b"of an earlier run")
    with pytest.raises(InputError, match="are the same text"):
        dv.adapt(generator, encoder, "a photo", checkpoint=checkpoint, **QUICK)
    assert checkpoint.read_bytes() == b"of an earlier run"


def test_unknown_words_of_prompts_are_said_once(generator, tiny_encoder_folder) -> None:
    encoders = [dv.Encoder.from_pretrained(tiny_encoder_folder) for _ in range(2)]
    with pytest.warns(dv.UnknownWordsWarning) as said:
        dv.adapt(generator, encoders, "a xylophone", "a photo of a marimba", **QUICK)
    assert len(said) == 1
    assert Path(said[0].filename) == Path(__file__)
    assert "no word of the target 'a xylophone'" in str(said[0].message)
    assert "no word of the source 'a photo of a marimba'" in str(said[0].message)


def test_known_prompts_give_no_warning(generator, tiny_encoder_folder) -> None:
    """Not even for words of the templates that an encoder was not taught: warnings are errors here."""
    encoder = dv.Encoder.from_pretrained(tiny_encoder_folder)
    guidance = Guidance(templates=("a photo of {}", "a woodcut of {}"))
    result = dv.adapt(generator, encoder, "a zombie", guidance=guidance, **QUICK)
    assert len(result.history) == QUICK["steps"]


def test_checkpoint_of_another_run_is_refused(tmp_path, generator, encoder) -> None:
    checkpoint = tmp_path / "run.ckpt"
    dv.adapt(generator, encoder, "red", checkpoint=checkpoint, **QUICK)
    content = checkpoint.read_bytes()

    def resume(generator=generator, encoder=encoder, target="red", **changes):
        arguments = {**QUICK, "checkpoint": checkpoint, "resume": True, **changes}
        return dv.adapt(generator, encoder, target, **arguments)

    for changes, message in [
        ({"learning_rate": 0.05}, r"settings.learning_rate was 0.1, now 0.05"),
        ({"target": "blue"}, 'settings.target was "red", now "blue"'),
        ({"steps": 7, "seed": 1}, "settings.seed was 0, now 1; settings.steps was 6, now 7"),
        ({"guidance": Guidance(in_domain_angle=0.3)}, "settings.guidance.in_domain_angle was 0.5, now 0.3"),
        ({"encoder": ToyEncoder(1)}, "encoders was"),
        ({"generator": toy_generator(seed=1)}, f"generator was .{generator.fingerprint}"),
        ({"parameterization": "modulation+rgb"}, "settings.parameterization"),
    ]:
        with pytest.raises(AdaptationError, match=message):
            resume(**changes)
    for broken in (b"", content[:50], content[:-4], b"<html>" * 100):
        checkpoint.write_bytes(broken)
        with pytest.raises(AdaptationError, match="not a checkpoint"):
            resume()
    resume_from_domain = tmp_path / "domain.safetensors"
    dv.Domain([torch.zeros(3)]).save(resume_from_domain)
    with pytest.raises(AdaptationError, match="not a checkpoint"):
        resume(checkpoint=resume_from_domain)


def test_stops_at_a_lower_resolution(encoder) -> None:
    generator = toy_generator(512)
    settings = dv.adapt(generator, encoder, "red", steps=1, batch_size=2).settings
    assert settings.resolution == 256
    large = ToyEncoder(image_size=336)
    assert dv.adapt(generator, large, "red", steps=1, batch_size=2).settings.resolution == 512
    result = dv.adapt(
        generator, encoder, "red", steps=2, batch_size=2, resolution=8, parameterization="modulation+rgb"
    )
    used = [bool(offset.any()) for offset in result.domain.offsets]
    assert used == [True] * 3 + [False] * 12
    assert [bool(bias.any()) for bias in result.domain.rgb_bias] == [True] * 2 + [False] * 6


def test_last_steps_at_full_size_teach_the_layers_above(tmp_path, generator, encoder) -> None:
    """At 8 of 16 px the last three convolutions learn nothing, until the last step."""
    options = {"batch_size": 2, "resolution": 8, "steps": 4, "source_pool": 4}
    used = []

    def look(step: int, loss: float, parts: object, domain: dv.Domain) -> None:
        used.append([bool(offset.any()) for offset in domain.offsets])

    whole = dv.adapt(generator, encoder, "red", **options, full_size_fraction=0.25, callback=look)
    assert used == [[True] * 3 + [False] * 2] * 3 + [[True] * 5]
    options |= {"full_size_fraction": 0.25, "checkpoint": tmp_path / "run.ckpt", "resume": True}
    with pytest.raises(Killed):
        dv.adapt(generator, encoder, "red", **options, callback=kill_at(3))
    assert_equal_runs(whole, dv.adapt(generator, encoder, "red", **options))
    with pytest.raises(InputError, match="full_size_fraction needs a last step, but steps is 'auto'"):
        dv.adapt(generator, encoder, "red", steps="auto", full_size_fraction=0.25)
    jobs = ["red", {"target": "red", "steps": 8}]
    shared = {"batch_size": 2, "resolution": 8, "full_size_fraction": 0.5}
    longer = dv.adapt_many(generator, encoder, jobs, steps=4, **shared)[1]
    assert_equal_runs(longer, dv.adapt(generator, encoder, "red", steps=8, **shared))


@pytest.mark.parametrize("name", list(PARAMETERIZATIONS))
def test_every_parameterization_learns_and_resumes(tmp_path, generator, name) -> None:
    encoder = ToyEncoder(guidance=Guidance(l2=0.01, in_domain_angle=0.2))
    arguments = {**QUICK, "parameterization": name, "seed": 1}
    whole = dv.adapt(generator, encoder, "red", **arguments)
    assert whole.history[-1]["loss"] < whole.history[0]["loss"]
    assert whole.domain.metadata["parameterization"] == name
    assert all(weight.grad is None for weight in generator.parameters())
    arguments |= {"checkpoint": tmp_path / "run.ckpt", "resume": True}
    with pytest.raises(Killed):
        dv.adapt(generator, encoder, "red", callback=kill_at(3), **arguments)
    assert_equal_runs(whole, dv.adapt(generator, encoder, "red", **arguments))
    whole.domain.save(tmp_path / "red.safetensors")
    loaded = dv.Domain.load(tmp_path / "red.safetensors", generator)
    assert torch.equal(loaded.vector, whole.domain.vector) and loaded.metadata == whole.domain.metadata


def test_learning_rate_suits_the_parameterization(generator, encoder) -> None:
    def rate(**changes: object) -> float:
        return dv.adapt(generator, encoder, "red", steps=1, batch_size=2, **changes).settings.learning_rate

    assert rate(parameterization="stylespace") == 0.05
    assert rate(parameterization="full") == pytest.approx(0.002)
    assert rate(parameterization="full", learning_rate=0.01) == 0.01


@pytest.mark.parametrize(
    ("layers", "convs", "colours"),
    [
        ("coarse", [True] * 4 + [False], [True, True, False]),
        ("middle", [False] * 4 + [True], [False, False, True]),
        ("0-1, 4", [True, True, False, False, True], [True, False, False]),
    ],
)
def test_only_the_numbers_of_some_layers_are_learned(generator, encoder, layers, convs, colours) -> None:
    result = dv.adapt(generator, encoder, "red", layers=layers, parameterization="modulation+rgb", **QUICK)
    assert [bool(offset.any()) for offset in result.domain.offsets] == convs
    assert [bool(offset.any()) for offset in result.domain.rgb_offsets] == colours
    assert [bool(bias.any()) for bias in result.domain.rgb_bias] == colours
    assert result.domain.metadata["settings"]["layers"] == layers


def test_sparse_keeps_a_fifth(generator, encoder, tmp_path) -> None:
    domain = dv.adapt(generator, encoder, "red", parameterization="stylespace-sparse", **QUICK).domain
    dense = dv.adapt(generator, encoder, "red", parameterization="stylespace", **QUICK).domain
    assert (domain.num_nonzero, dense.num_nonzero) == (8, 40)
    kept = domain.vector != 0
    assert torch.equal(domain.vector[kept], dense.vector[kept])
    assert domain.vector[kept].abs().min() >= dense.vector[~kept].abs().max()


def test_several_targets_are_averaged_and_kept(generator, encoder) -> None:
    both = dv.adapt(generator, encoder, ["red", "blue"], **QUICK)
    assert both.settings.target == ("red", "blue")
    assert both.domain.metadata["target"] == ["red", "blue"]
    assert not torch.equal(both.domain.vector, dv.adapt(generator, encoder, "red", **QUICK).domain.vector)
    assert_equal_runs(
        dv.adapt(generator, encoder, ["red"], **QUICK), dv.adapt(generator, encoder, "red", **QUICK)
    )


def test_bfloat16(generator, encoder) -> None:
    result = dv.adapt(generator, encoder, "red", steps=30, batch_size=8, precision="bfloat16")
    assert result.domain.vector.dtype == torch.float32
    assert result.history[-1]["loss"] < 0.8 * result.history[0]["loss"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 1}, "in-domain angle and the tones compare"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"warmup_steps": -1}, "warmup_steps is -1"),
        ({"decay_fraction": 1.5}, "decay_fraction is 1.5"),
        ({"style_mixing": -0.1}, "style_mixing is -0.1"),
        ({"truncation_psi": 2}, "truncation_psi is 2"),
        ({"noise": "pink"}, "noise is 'pink', expected one of const, random, none"),
        ({"precision": "int8"}, "precision is 'int8'"),
        ({"parameterization": "mapping"}, r"'mapping': expected one of modulation, modulation\+rgb"),
        ({"parameterization": "affine:2"}, "affine has no rank; lora and affine-light"),
        ({"parameterization": "lora:x"}, "the rank is 'x', expected 1 to 512"),
        ({"layers": "fine"}, "this generator has the layers 0-5, not 'fine'"),
        ({"layers": "4-9"}, "this generator has the layers 0-5, not '4-9'"),
        ({"layers": "5-2"}, "not '5-2'"),
        ({"layers": "rough"}, "'rough' is invalid; expected coarse, middle, fine"),
        ({"layers": "5"}, "this parameterization has no parameters in them"),
        ({"target": ["red", " "]}, r"target is \('red', ' '\), expected a text"),
        ({"target": []}, r"target is \(\), expected a text"),
        ({"resolution": 12}, r"resolution is 12, expected 'full' or one of \[4, 8, 16\]"),
        ({"resolution": 32}, "resolution is 32"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is"),
        ({"target": "  "}, "target is '  '"),
        ({"source": ""}, "source is ''"),
        ({"encoder": []}, "no encoder"),
        ({"encoder": "faces-clip"}, r"'faces-clip': load it with Encoder.from_pretrained"),
        ({"resume": True}, "checkpoint="),
        ({"checkpoint_every": 0}, "checkpoint_every is 0"),
    ],
)
def test_values_out_of_range(generator, encoder, changes, message) -> None:
    arguments = {"encoder": encoder, "target": "red", **QUICK, **changes}
    with pytest.raises(InputError, match=message):
        dv.adapt(generator, **arguments)


def test_result_is_saved_as_domain_picture_and_record(tmp_path, generator, encoder) -> None:
    import json

    from PIL import Image

    result = dv.adapt(generator, encoder, "red", **QUICK)
    result.save(tmp_path / "out" / "red.safetensors")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "red.json",
        "red.png",
        "red.safetensors",
    ]
    record = json.loads((tmp_path / "out" / "red.json").read_text())
    assert record["history"] == result.history and record["domain"] == result.domain.metadata
    assert record["size"] == 5 * 8 and record["seconds"] == result.seconds
    with Image.open(tmp_path / "out" / "red.png") as picture:
        assert picture.width > picture.height > 4 * 128
    with pytest.raises(InputError, match="safetensors"):
        result.save(tmp_path / "red.png")
