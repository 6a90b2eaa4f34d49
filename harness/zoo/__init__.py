"""The zoo: sequence mixers of papers, small, and trained here. See docs/zoo.md and docs/add-a-mixer.md."""
