"""Small methods, one per point, that the tests of the steering layer attach."""

from __future__ import annotations

import torch

from harness.steering import Steering


class Scale(Steering):
    """Scales one tensor: the point's name is chosen at construction, strength 0 changes nothing."""

    prefix = "with"

    def __init__(self, point: str, by: float):
        self.point, self.by, self.name = point, by, f"scale-{point}"
        self.attention_rows = "all"

    def has(self, *points: str) -> bool:
        return self.point in points

    def _edit(self, point: str, x: torch.Tensor) -> torch.Tensor | None:
        return x * (1 + self.by) if point == self.point and self.by else None

    def residual(self, l, h, run):
        return self._edit("residual", h)

    def layer_input(self, l, x, run):
        return self._edit("layer_input", x)

    def attention_input(self, l, x, run):
        if not self.by:
            return None
        x = x.clone()
        x[..., 0] += self.by  # a norm hides a common factor
        return x

    def mlp(self, l, y, run):
        return self._edit("mlp", y)

    def attention_output(self, l, y, run):
        return self._edit("attention_output", y)

    def heads(self, l, x, run):
        if not self.by:
            return None
        x = x.clone()
        x[:, :, 1] *= 1 + self.by
        return x

    def attention_logits(self, l, a, run):
        return self._edit("attention_logits", a)

    def attention_weights(self, l, w, run):
        if not self.by:
            return None
        assert torch.allclose(w.float().sum(-1), torch.ones(()), atol=1e-3)
        return w.pow(1 + self.by) / w.pow(1 + self.by).sum(-1, keepdim=True)

    def logits(self, z, run):
        return self._edit("logits", z)


class LookAtImage(Steering):
    """Raises the last row's scores on image tokens, as PAI does."""

    name = "look"

    def __init__(self, alpha: float):
        self.alpha = alpha

    def attention_logits(self, l, a, run):
        if not self.alpha:
            return None
        return torch.where(run.image(self)[:, None, None], a + self.alpha * a.abs(), a)


class NoPicture(Steering):
    """Contrasts with the prompt without its picture."""

    name = "no-picture"

    def __init__(self, alpha: float):
        self.alpha = alpha

    def contrast(self, sample, view):
        return view.without_image(sample) if self.alpha and sample.sees else None

    def logits(self, z, run):
        other = run.stream(self)
        return None if other is None else z + self.alpha * (z - other)
