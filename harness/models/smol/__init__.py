"""smol-llava: SmolLM2 with eyes. The language model comes from a package, the rest is the small delta kept here."""
