"""A checkpoint as transformers reads it: all of it, and no code that came with it unless it is trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from harness.core.errors import HarnessError, Missing, UsageError, first_line
from harness.models.hf.files import PICKLED, check_files, snapshot

SHOWN = 3
"""Names of tensors in a message."""
BUFFERS = re.compile(r"(^|\.)(masked_bias|inv_freq|position_ids|cos_cached|sin_cached)$")
"""Tensors that older versions of transformers stored, though they are computed and not learnt."""


@dataclass(frozen=True)
class Checkpoint:
    """Where weights are, and what is allowed with them.

    Attributes:
        path: A folder, or a hub name.
        gguf: A GGUF file in it, which is read instead of safetensors.
        partial: Whether tensors may be missing (then drawn at random with seed 0), left over or not finite.
        trust: Whether code and pickles that come with the checkpoint may run.
    """

    path: str
    revision: str | None = None
    gguf: str | None = None
    partial: bool = False
    trust: bool = False


def read(checkpoint: Checkpoint, **options: Any) -> tuple[Any, Any]:
    """The model and its processor (or tokenizer), with these options of `from_pretrained`.

    Raises UsageError or Missing, which name the fault and what to do, or what transformers raises.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as SEEING

    path, trust = checkpoint.path, checkpoint.trust
    if folder := snapshot(path, checkpoint.revision):
        check_files(folder, shown=path, gguf=checkpoint.gguf, trust=trust)
    # False, not None: transformers would ask on the terminal.
    where: dict[str, Any] = {"trust_remote_code": trust}
    where |= {"revision": checkpoint.revision} if checkpoint.revision else {}
    where |= {"gguf_file": checkpoint.gguf} if checkpoint.gguf else {}
    config = AutoConfig.from_pretrained(path, **where)
    _tower(path, config)
    sees = config.model_type in SEEING or "AutoModelForImageTextToText" in (getattr(config, "auto_map", None) or {})
    if checkpoint.partial:
        torch.manual_seed(0)
    auto: Any = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    model, info = auto.from_pretrained(
        path,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # told below, by name
        use_safetensors=None if trust or checkpoint.gguf else True,
        **options,
        **where,
    )
    _fit(path, info)
    if not checkpoint.partial:
        _whole(path, model, info)
        _finite(path, model)
    reader = AutoProcessor if sees and not checkpoint.gguf else AutoTokenizer
    processor = reader.from_pretrained(path, **where)
    if sees and not checkpoint.gguf and not hasattr(processor, "tokenizer"):
        raise ValueError("no image processor")
    if not checkpoint.partial:
        _spelled(path, model, getattr(processor, "tokenizer", processor))
    legacy = folder / "chat_template.json" if folder else None  # of processors; tokenizers do not look there
    if legacy and legacy.is_file() and not processor.chat_template:
        processor.chat_template = json.loads(legacy.read_text(encoding="utf-8"))["chat_template"]
    return model, processor


def fault(name: str, path: str, error: Exception) -> HarnessError:
    """An error of transformers as one line that says what to do."""
    said, line = str(error), first_line(error, 300)
    where = f"model={name} cannot be loaded from {path}"
    origin = "from the model that it was made from"
    if "custom code" in said or "trust_remote_code" in said:
        return UsageError(
            f"{where}: it comes with code of its own (auto_map): review it, then allow it with model.trust=true"
        )
    if "use_safetensors" in said:
        return UsageError(f"{where}: {PICKLED}")
    if "Unrecognized configuration class" in said:
        return UsageError(f"{where}: its architecture neither continues texts nor answers about pictures")
    if "preprocessor_config" in said or "image processor" in said:
        return Missing(f"{where}: it holds no image processor: copy preprocessor_config.json {origin}")
    if "tokenizer" in said:
        return Missing(f"{where}: its tokenizer cannot be read: copy tokenizer.json {origin}")
    if isinstance(error, OSError | ValueError | ImportError):
        return Missing(f"{where}: {line}")
    kind = type(error).__name__
    return Missing(f"{where}: its files do not fit each other ({kind}: {line}): is config.json that of these weights?")


def _tower(path: str, config: Any) -> None:
    """Raises UsageError where the configuration reads a layer that the vision tower does not have."""
    layers = getattr(getattr(config, "vision_config", None), "num_hidden_layers", None)
    for name in ("vision_feature_layer", "vision_feature_layers"):
        read = getattr(config, name, None)
        for at in read if isinstance(read, list | tuple) else [read]:
            if isinstance(layers, int) and isinstance(at, int) and not -layers - 1 <= at <= layers:
                raise UsageError(
                    f"model.path={path}: config.json has {name}={at}, and its vision tower has {layers} layers "
                    "(vision_config.num_hidden_layers): take the config.json that belongs to these weights"
                )


def _fit(path: str, info: Mapping[str, Any]) -> None:
    """Raises Missing where tensors have other shapes than the configuration gives them."""
    if unlike := sorted(info["mismatched_keys"], key=str):
        name, found, wanted = unlike[0]
        raise Missing(
            f"model.path={path}: the shapes of {_count(unlike)} do not fit config.json ({name} is {_shape(found)}, and "
            f"{_shape(wanted)} by config.json): take the config.json that belongs to these weights"
        )


def _whole(path: str, model: Any, info: Mapping[str, Any]) -> None:
    """Raises Missing where the checkpoint has not exactly the tensors that the architecture loads. Tied weights, and
    what transformers ignores for an architecture, do not count."""
    missing = sorted(set(info["missing_keys"]) - set(getattr(model, "all_tied_weights_keys", ())))
    unknown = sorted(name for name in info["unexpected_keys"] if not BUFFERS.search(name))
    if not missing and not unknown:
        return
    parts = [f"{_count(missing)} missing ({_some(missing)})"] if missing else []
    parts += [f"{_count(unknown)} unknown ({_some(unknown)})"] if unknown else []
    prefix = _shared(unknown) if missing else ""
    parts += [f"all unknown names begin with {prefix}"] if prefix else []
    raise Missing(
        f"model.path={path} does not hold the weights of its architecture {type(model).__name__}: {', '.join(parts)}: "
        "save it without wrappers and adapters and with its own config.json, or allow it with model.partial=true"
    )


def _finite(path: str, model: Any) -> None:
    """Raises Missing where a weight is NaN or infinite in the chosen precision."""
    import torch

    wide = (torch.float32, torch.bfloat16, torch.float16, torch.float64)  # what is quantized has no NaN, or no minimum
    named = [(n, p) for n, p in model.named_parameters() if p.dtype in wide and p.numel() and not p.is_meta]
    ends = [torch.stack(torch.aminmax(p.detach())).float().cpu() for _, p in named]  # both are NaN where a value is
    if bad := [n for (n, _), found in zip(named, ends, strict=True) if not torch.isfinite(found).all()]:
        raise Missing(
            f"model.path={path}: NaN or infinite values in {_count(bad)} as {model.dtype} ({_some(bad)}): take an "
            "intact checkpoint or another model.dtype, or allow it with model.partial=true"
        )


def _spelled(path: str, model: Any, tokenizer: Any) -> None:
    """Raises Missing where the tokenizer has tokens that the model has no embedding of: it is another model's."""
    tokens, rows = tokenizer.vocab_size, model.get_input_embeddings().weight.shape[0]
    if tokens > rows:
        raise Missing(
            f"model.path={path}: the tokenizer has {tokens:,} tokens, and the model embeds {rows:,}: take the "
            "tokenizer that belongs to these weights, or allow it with model.partial=true"
        )


def _shared(names: Sequence[str]) -> str:
    """The prefix of all of several names, by whole words between dots."""
    first, last = min(names, default="").split("."), max(names, default="").split(".")
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return ".".join(word for word, _ in same) if len(names) > 1 else ""


def _count(tensors: Sequence[Any]) -> str:
    return f"{len(tensors)} tensor{'' if len(tensors) == 1 else 's'}"


def _some(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:SHOWN]) + (", ..." if len(shown) > SHOWN else "")


def _shape(size: Iterable[int]) -> str:
    return " x ".join(map(str, size))
