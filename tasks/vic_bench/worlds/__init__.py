"""The four worlds: what a step does in them, what is legal, when they are solved, and how they look."""

from tasks.vic_bench.worlds.base import Illegal, World
from tasks.vic_bench.worlds.counting import Counting
from tasks.vic_bench.worlds.embodied import Embodied
from tasks.vic_bench.worlds.jigsaw import Jigsaw
from tasks.vic_bench.worlds.maze import Maze

WORLDS: dict[str, World] = {w.name: w for w in (Maze(), Jigsaw(), Embodied(), Counting())}

__all__ = ["WORLDS", "Illegal", "World"]
