"""What `import harness` offers: evaluate, runs, compare. The command line stands on the same functions."""
