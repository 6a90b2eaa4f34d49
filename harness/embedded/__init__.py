"""What ships with the package: generated scenes, and the small model that was trained on them."""
