"""Turns the store into a static site: pages, figures, paged samples, downloads. Templates and assets are in site/."""
