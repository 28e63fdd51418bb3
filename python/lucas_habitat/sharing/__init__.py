"""Models handed on: one zip with what a model needs, what is known of it, and nothing private."""
