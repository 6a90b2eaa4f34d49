"""One file a mixer, each as its paper writes it."""
