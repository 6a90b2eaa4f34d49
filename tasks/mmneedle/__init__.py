"""MMNeedle: the place of one captioned picture in images that are grids of pictures."""
