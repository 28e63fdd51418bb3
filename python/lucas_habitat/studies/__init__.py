"""Whole studies in one command: the pilot and the demo."""
