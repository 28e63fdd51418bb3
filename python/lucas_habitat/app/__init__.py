"""The page in the browser to try a model in."""
