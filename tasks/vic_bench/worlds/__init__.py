"""The four worlds: what a step does in them, what is legal, when they are solved, and how they look."""

from harness.tasks.vic_bench.worlds.base import Illegal, World
from harness.tasks.vic_bench.worlds.counting import Counting
from harness.tasks.vic_bench.worlds.embodied import Embodied
from harness.tasks.vic_bench.worlds.jigsaw import Jigsaw
from harness.tasks.vic_bench.worlds.maze import Maze

WORLDS: dict[str, World] = {w.name: w for w in (Maze(), Jigsaw(), Embodied(), Counting())}

__all__ = ["WORLDS", "Illegal", "World"]
