"""Figures as SVG that the page's style sheet colours: no script, no font, no inline style; equal data, equal bytes."""
