"""Videos: frames, first masks and annotations, read from folders and movies, and label masks as PNGs."""
