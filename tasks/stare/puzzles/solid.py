"""A small software renderer: shaded triangles with a depth buffer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

Mesh = tuple[np.ndarray, np.ndarray]
"""Corners float (n, 3), z upwards; triangles int (m, 3)."""
LIGHT = np.array([0.35, -0.55, 0.76])


@dataclass(frozen=True)
class Body:
    """A coloured mesh somewhere."""

    corners: np.ndarray
    triangles: np.ndarray
    colour: tuple[int, int, int]

    def moved(self, matrix: np.ndarray, shift: np.ndarray) -> Body:
        return replace(self, corners=self.corners @ matrix.T + shift)


@dataclass(frozen=True)
class Camera:
    """At `eye`, looking at `target`, upright. `focal` in widths of the picture; 0 is a parallel projection."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float] = (0.0, 0.0, 0.0)
    focal: float = 1.2
    width: float = 9.0
    """Width of the view, for the parallel projection."""

    def project(self, points: np.ndarray) -> np.ndarray:
        """x, y in -0.5..0.5 (y downwards) and depth, (n, 3)."""
        eye, target = np.array(self.eye), np.array(self.target)
        ahead = (target - eye) / np.linalg.norm(target - eye)
        right = np.cross(ahead, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        down = np.cross(ahead, right)
        p = points - eye
        depth = p @ ahead
        scale = 1 / self.width if self.focal == 0 else self.focal / np.maximum(depth, 0.05)
        return np.stack([p @ right * scale, p @ down * scale, depth], 1)


def render(bodies: list[Body], camera: Camera, side: int, floor: float | None = None) -> Image.Image:
    """RGB, side x side; with a chequered floor of that half-width at z = 0."""
    picture = np.full((side, side, 3), 255.0)
    depths = np.full((side, side), np.inf)
    if floor is not None:
        _floor(picture, camera, floor)
    for body in bodies:
        seen = camera.project(body.corners)
        for triangle in body.triangles:
            corners = body.corners[triangle]
            normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
            length = np.linalg.norm(normal)
            if length < 1e-9:
                continue
            light = 0.45 + 0.55 * abs(float(normal @ LIGHT) / float(length))
            _fill(picture, depths, seen[triangle], np.array(body.colour) * light)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def _fill(picture: np.ndarray, depths: np.ndarray, corners: np.ndarray, colour: np.ndarray) -> None:
    side = len(picture)
    x, y, z = (corners[:, 0] + 0.5) * side, (corners[:, 1] + 0.5) * side, corners[:, 2]
    if z.min() <= 0.05:
        return
    x0, x1 = max(0, int(x.min())), min(side - 1, int(np.ceil(x.max())))
    y0, y1 = max(0, int(y.min())), min(side - 1, int(np.ceil(y.max())))
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    if x0 > x1 or y0 > y1 or abs(area) < 1e-9:
        return
    px, py = np.meshgrid(np.arange(x0, x1 + 1) + 0.5, np.arange(y0, y1 + 1) + 0.5)
    a = ((x[1] - px) * (y[2] - py) - (x[2] - px) * (y[1] - py)) / area
    b = ((x[2] - px) * (y[0] - py) - (x[0] - px) * (y[2] - py)) / area
    c = 1 - a - b
    depth = a * z[0] + b * z[1] + c * z[2]
    there = depths[y0 : y1 + 1, x0 : x1 + 1]
    front = (a >= -1e-9) & (b >= -1e-9) & (c >= -1e-9) & (depth < there)
    there[front] = depth[front]
    picture[y0 : y1 + 1, x0 : x1 + 1][front] = colour


def _floor(picture: np.ndarray, camera: Camera, half: float) -> None:
    lines = np.linspace(-half, half, 7)
    for i in range(6):
        for j in range(6):
            quad = np.array([[lines[i + p], lines[j + q], 0.0] for p, q in ((0, 0), (1, 0), (1, 1), (0, 1))])
            seen = camera.project(quad)
            shade = np.full(3, 228.0 if (i + j) % 2 else 240.0)
            for t in ((0, 1, 2), (0, 2, 3)):
                _fill(picture, np.full(picture.shape[:2], np.inf), seen[list(t)], shade)


def box(w: float, d: float, h: float) -> Mesh:
    corners = np.array([[x, y, z] for x in (-w / 2, w / 2) for y in (-d / 2, d / 2) for z in (-h / 2, h / 2)])
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    return corners, np.array([t for q in quads for t in ((q[0], q[1], q[2]), (q[0], q[2], q[3]))])


def cone(radius: float, height: float, sides: int, top: float = 0.0) -> Mesh:
    """A cone, a pyramid (few sides), a cylinder (top = radius)."""
    t = np.arange(sides) * 2 * np.pi / sides
    ring = np.stack([np.cos(t), np.sin(t)], 1)
    low = np.column_stack([ring * radius, np.full(sides, -height / 2)])
    high = np.column_stack([ring * top, np.full(sides, height / 2)])
    corners = np.vstack([low, high, [[0, 0, -height / 2], [0, 0, height / 2]]])
    n, tris = sides, []
    for i in range(n):
        j = (i + 1) % n
        tris += [(i, j, n + j), (i, n + j, n + i), (2 * n, j, i), (2 * n + 1, n + i, n + j)]
    return corners, np.array(tris)


def wedge(w: float, d: float, h: float) -> Mesh:
    """A ramp: no symmetry but one mirror."""
    x, y, z = w / 2, d / 2, h / 2
    corners = np.array([[-x, -y, -z], [x, -y, -z], [x, y, -z], [-x, y, -z], [-x, -y, z], [-x, y, z]])
    tris = [(0, 2, 1), (0, 3, 2), (0, 4, 5), (0, 5, 3), (1, 2, 5), (1, 5, 4), (0, 1, 4), (3, 5, 2)]
    return corners, np.array(tris)


def joined(*parts: tuple[Mesh, tuple[float, float, float]]) -> Mesh:
    """Meshes at their places as one."""
    corners, triangles, at = [], [], 0
    for (points, tris), shift in parts:
        corners.append(points + np.array(shift))
        triangles.append(tris + at)
        at += len(points)
    return np.vstack(corners), np.vstack(triangles)
