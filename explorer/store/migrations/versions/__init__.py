"""One module a revision, never changed once it has been on ``main``."""
