"""One module a subcommand, each with `main(words) -> exit code`."""
