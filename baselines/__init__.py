"""Reference models, a file each, short enough to check against their papers."""
