"""One small member for every plugin family of lesionkit, found by its entry points."""
