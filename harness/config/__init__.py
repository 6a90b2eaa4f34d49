"""Hydra's root: eval.yaml, its groups, and the glue that feeds plug-ins into it."""
