"""Does a full-size adaptation fit an ordinary machine? Seconds a step and peak memory, on the CPU.

A 1024 px generator of the widths of FFHQ's (config-f, 30 M parameters) and a ViT-B/32 CLIP (151 M), both
with random weights, go through `domainvec.adapt` for a few steps. Each case runs in a process of its own,
since the peak of a process's memory never falls.

    python benchmarks/fullsize.py
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domainvec.encoders import Encoder

CASES = (
    ("default", 4, "float32"),
    ("default", 4, "bfloat16"),
    ("full", 2, "float32"),
    ("full", 2, "bfloat16"),
)


def main() -> None:
    """Run all cases one after the other, or the one that the arguments name."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", nargs=3, metavar=("RESOLUTION", "BATCH_SIZE", "PRECISION"))
    parser.add_argument("--steps", type=int, default=3, help="steps in each case, 2 or more")
    arguments = parser.parse_args()
    if arguments.case:
        resolution, batch_size, precision = arguments.case
        run_case(resolution, int(batch_size), precision, arguments.steps)
        return
    print("| trained at | batch | precision | a step, s | a step, s of CPU | peak memory, GB |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for case in CASES:
        command = [sys.executable, __file__, "--steps", str(arguments.steps), "--case", *map(str, case)]
        subprocess.run(command, check=True)


def run_case(resolution: str, batch_size: int, precision: str, steps: int) -> None:
    """Adapt for a few steps and print one row of the table."""
    import torch

    from domainvec import adapt
    from domainvec.stylegan2 import Generator, GeneratorConfig

    torch.manual_seed(0)
    channels = tuple(min(32768 // (4 << k), 512) for k in range(9))
    generator = Generator(
        GeneratorConfig(resolution=1024, z_dim=512, w_dim=512, mapping_layers=8, channels=channels)
    )
    cpu_seconds: list[float] = []
    result = adapt(
        generator,
        random_clip(),
        "a pencil sketch",
        "a photo",
        steps=steps,
        batch_size=batch_size,
        resolution="full" if resolution == "full" else None,
        precision="bfloat16" if precision == "bfloat16" else "float32",
        callback=lambda *_: cpu_seconds.append(time.process_time()),
    )
    assert result.domain.size == 6048
    seconds = [record["seconds"] for record in result.history]
    print(
        f"| {result.training.resolution} px | {batch_size} | {precision} | {mean_increase(seconds):.1f} "
        f"| {mean_increase(cpu_seconds):.1f} | {peak_gigabytes():.2f} |",
        flush=True,
    )


def mean_increase(values: list[float]) -> float:
    """Mean of what each value is above the one before: the first step, which warms up, does not count."""
    return (values[-1] - values[0]) / (len(values) - 1)


def random_clip(patch_size: int = 32) -> Encoder:
    """Make a CLIP ViT-B of random weights, with a tokenizer that spells words in letters.

    Args:
        patch_size: in pixels, 32 or 16.
    """
    import string

    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

    from domainvec.encoders import Encoder
    from domainvec.encoders.preprocessing import Preprocessing

    signs = [*string.ascii_letters, *string.digits, *string.punctuation, "\u2581"]
    tokenizer = Tokenizer(
        models.BPE(vocab={sign: token for token, sign in enumerate(signs)}, merges=[], unk_token="\u2581")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    start, end = ("<|startoftext|>", 49406), ("<|endoftext|>", 49407)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start[0]} $A {end[0]}", special_tokens=[start, end]
    )
    config = CLIPConfig()
    config.vision_config.patch_size = patch_size
    return Encoder(
        # Plain attention for the textbook: on a CPU the fused kernel is slower at these lengths.
        CLIPModel._from_config(config, attn_implementation="eager"),
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="!"),  # type: ignore[no-untyped-call]
        Preprocessing(),
        name=f"a random ViT-B/{patch_size}",
    )


def peak_gigabytes() -> float:
    """Peak of this process's resident memory, in 10^9 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9  # macOS counts bytes, Linux kibibytes


if __name__ == "__main__":
    main()
