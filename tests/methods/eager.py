"""A model's attention by brute force: one forward pass over prompt and answer, stock eager implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from harness.steering import Inputs, View


def forward(view: View, sample: Inputs, tokens: list[int]) -> Any:
    """Attentions and hidden states of a plain pass over the prompt and all but the last of the tokens."""
    whole = sample.extended(tokens[:-1])
    decoder, before = view.decoder, view.implementation
    decoder.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            return view.model(**whole.tensors, output_attentions=True, output_hidden_states=True, use_cache=False)
    finally:
        decoder.set_attn_implementation(before)


def attention(view: View, sample: Inputs, tokens: list[int]) -> np.ndarray:
    """Weights of the rows that chose the tokens [layers, heads, tokens, columns]."""
    weights = torch.stack([a[0] for a in forward(view, sample, tokens).attentions])
    return weights[:, :, -len(tokens) :].float().numpy()
