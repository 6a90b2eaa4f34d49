"""A random GGUF of SmolLM2's schema, small enough for tests: two layers, and a tokenizer of a few hundred tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np

GGUF = "standin.gguf"
SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>",
    "<gh_stars>", "<issue_start>", "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>",
    "<jupyter_code>", "<jupyter_output>", "<jupyter_script>", "<empty_output>",
)  # fmt: skip
WIDTH, INNER, LAYERS, HEADS, GROUPS = 96, 96, 2, 3, 1
HEAD = 32
TEMPLATE = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"


def _words() -> tuple[list[str], list[str]]:
    """Tokens and merges of a byte-level BPE that knows the questions' words."""
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    from harness.embedded.scenes import CATEGORIES
    from harness.embedded.tiny_llava.conversations import DETAIL, PRESENCE

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    names = [f" {form}" for c in CATEGORIES for form in (c.name, c.plural)]
    raw.train_from_iterator(
        [*names, *PRESENCE, *DETAIL, "Yes", "No", "Yes", "No", "user\n", "assistant\n"] * 3, trainer
    )
    model = json.loads(raw.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), [" ".join(m) for m in model["merges"]]


def write(folder: Path, seed: int = 0) -> Path:
    """Write `GGUF` into a folder; its path."""
    from gguf import GGUFWriter, TokenType

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / GGUF
    tokens, merges = _words()
    out = GGUFWriter(path, "llama")
    out.add_block_count(LAYERS)
    out.add_context_length(2048)
    out.add_embedding_length(WIDTH)
    out.add_feed_forward_length(INNER)
    out.add_head_count(HEADS)
    out.add_head_count_kv(GROUPS)
    out.add_key_length(HEAD)
    out.add_rope_dimension_count(HEAD)
    out.add_rope_freq_base(1e5)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_vocab_size(len(tokens))
    out.add_tokenizer_model("gpt2")
    out.add_token_list(tokens)
    out.add_token_types([TokenType.CONTROL] * len(SPECIAL) + [TokenType.NORMAL] * (len(tokens) - len(SPECIAL)))
    out.add_token_merges(merges)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)
    out.add_pad_token_id(2)
    out.add_add_bos_token(False)
    out.add_add_space_prefix(False)
    out.add_chat_template(TEMPLATE)
    rng = np.random.default_rng(seed)

    def tensor(name: str, *shape: int) -> None:
        values = np.ones(shape) if len(shape) == 1 else rng.normal(0, 0.5 / shape[-1] ** 0.5, shape)
        out.add_tensor(f"{name}.weight", values.astype(np.float32))

    tensor("token_embd", len(tokens), WIDTH)
    tensor("output_norm", WIDTH)
    for i in range(LAYERS):
        for name, rows, columns in (
            ("attn_q", HEADS * HEAD, WIDTH),
            ("attn_k", GROUPS * HEAD, WIDTH),
            ("attn_v", GROUPS * HEAD, WIDTH),
            ("attn_output", WIDTH, HEADS * HEAD),
            ("ffn_gate", INNER, WIDTH),
            ("ffn_up", INNER, WIDTH),
            ("ffn_down", WIDTH, INNER),
        ):
            tensor(f"blk.{i}.{name}", rows, columns)
        tensor(f"blk.{i}.attn_norm", WIDTH)
        tensor(f"blk.{i}.ffn_norm", WIDTH)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return path
