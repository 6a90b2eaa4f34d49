"""smol-llava: SmolLM2-135M-Instruct with a vision tower, trained on embedded pictures.

    python -m harness.embedded.smol_llava train --seed 0 --out DIR

Importing this package loads neither torch nor transformers.
"""
