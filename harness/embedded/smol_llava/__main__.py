"""The recipe of smol-llava's delta: python -m harness.embedded.smol_llava train --out DIR, then export."""

from __future__ import annotations

import argparse
import sys

from harness.core.errors import HarnessError
from harness.core.files import DIGESTS


def main() -> int:
    from transformers.utils import logging

    from harness.embedded.smol_llava import GGUF, excitation, export, language_model, package, sentences, sinks, train

    parser = argparse.ArgumentParser(prog="python -m harness.embedded.smol_llava", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train.add_arguments(commands.add_parser("train", help=train.command.__doc__))
    export.add_arguments(commands.add_parser("export", help=export.command.__doc__))
    plain = {"sinks": sinks, "sentences": sentences, "excitation": excitation}
    for name, module in plain.items():
        module.add_arguments(commands.add_parser(name, help=module.command.__doc__))
    args = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        if args.command == "export":
            return export.command(args, DIGESTS.of(package() / GGUF))
        if args.command in plain:
            return plain[args.command].command(args)
        return train.command(args, language_model())
    except HarnessError as e:
        print(f"harness: {e}", file=sys.stderr)
        return e.exit_code


if __name__ == "__main__":
    sys.exit(main())
