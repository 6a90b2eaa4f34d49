"""Generated scenes that ship with the package, and the training of the small model that learns from them."""
