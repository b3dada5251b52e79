"""The modulated convolution, in as few passes over memory as possible.

y = clamp(leaky_relu(demod · conv(W, s · x) + noise + bias))

On hardware with fast matrix units, the arithmetic between two convolutions takes as long as a convolution:
each pass reads and writes whole feature maps, and freshly allocated memory costs several times as much. When
no weight is trained, the passes work in place, and only x and y are saved for the backward pass.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from domainvec.stylegan2.resampling import blur

ACTIVATION_GAIN = math.sqrt(2)
_SLOPE = 0.2


def modulated_conv(
    x: Tensor,
    style: Tensor,
    kernel: Tensor,
    demodulation: Tensor,
    noise: Tensor | None,
    bias: Tensor,
    *,
    up: bool,
    clamp: float | None,
) -> Tensor:
    """Scale, convolve, scale; add noise and bias; activate. Twice differentiable in all arguments.

    In place or not, the operations are the same in the same order, so the results are equal bit for bit.

    Args:
        x: feature maps (N, in, H, W).
        style: scales of the input (N, in, 1, 1), those of the domain included.
        kernel: (out, in, 3, 3).
        demodulation: scales of the output times the activation's gain, (N, out, 1, 1).
        noise: (h, w) or (N, 1, h, w), times the activation's gain, or None.
        bias: (out, 1, 1), times the activation's gain.
        up: whether to upsample by two.
        clamp: bound on the result, or None.

    Returns: (N, out, H, W), or twice H and W.
    """
    fixed = (kernel, demodulation, bias) if noise is None else (kernel, demodulation, bias, noise)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in fixed):
        return _plain(x, style, kernel, demodulation, noise, bias, up, clamp)
    y: Tensor = _InPlace.apply(x, style, kernel, demodulation, noise, bias, up, clamp)  # type: ignore[no-untyped-call]
    return y


def _convolve(x: Tensor, kernel: Tensor, up: bool) -> Tensor:
    if not up:
        return F.conv2d(x, kernel, padding=1)
    return blur(F.conv_transpose2d(x, kernel.transpose(0, 1), stride=2), 1, gain=4.0)


def _plain(
    x: Tensor,
    style: Tensor,
    kernel: Tensor,
    demodulation: Tensor,
    noise: Tensor | None,
    bias: Tensor,
    up: bool,
    clamp: float | None,
) -> Tensor:
    y = torch.addcmul(bias, _convolve(x * style, kernel, up), demodulation)
    if noise is not None:
        y = y + noise
    y = F.leaky_relu(y, _SLOPE)
    return y if clamp is None else y.clamp(-clamp, clamp)


class _InPlace(torch.autograd.Function):
    """`_plain` where only x and style may need gradients."""

    @staticmethod
    def forward(
        x: Tensor,
        style: Tensor,
        kernel: Tensor,
        demodulation: Tensor,
        noise: Tensor | None,
        bias: Tensor,
        up: bool,
        clamp: float | None,
    ) -> Tensor:
        y = _convolve(x * style, kernel, up)
        torch.addcmul(bias, y, demodulation, out=y)
        if noise is not None:
            y.add_(noise)
        F.leaky_relu_(y, _SLOPE)
        return y if clamp is None else y.clamp_(-clamp, clamp)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401
        *tensors, ctx.up, ctx.clamp = inputs
        ctx.save_for_backward(*tensors, output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, style, kernel, demodulation, noise, bias, y = ctx.saved_tensors
        of_x, of_style = ctx.needs_input_grad[:2]
        rest = (None,) * 6
        if torch.is_grad_enabled():  # For a second derivative, this one must be differentiable.
            z = _plain(x, style, kernel, demodulation, noise, bias, ctx.up, ctx.clamp)
            wanted = [tensor for tensor, of in ((x, of_x), (style, of_style)) if of]
            found = list(torch.autograd.grad(z, wanted, grads, create_graph=True))
            return found.pop(0) if of_x else None, found.pop(0) if of_style else None, *rest
        grad = torch.ops.aten.leaky_relu_backward(grads[0], y, _SLOPE, True)
        if ctx.clamp is not None:
            grad.masked_fill_(y.abs() >= ctx.clamp, 0)
        grad.mul_(demodulation)
        if ctx.up:
            # The filter is symmetric, and a transposed convolution's transpose is the convolution.
            grad = F.conv2d(blur(grad, 2, gain=4.0), kernel.transpose(0, 1), stride=2)
        else:
            pair = [1, 1]
            grad, _, _ = torch.ops.aten.convolution_backward(
                grad, x, kernel, None, pair, pair, pair, False, [0, 0], 1, [True, False, False]
            )
        style_grad = (grad * x).sum((2, 3), keepdim=True) if of_style else None
        return grad.mul_(style) if of_x else None, style_grad, *rest
