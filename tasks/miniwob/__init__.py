"""MiniWoB++: web micro-tasks on the real pages in a real browser."""
