"""Predicted against reference classes: what is compared, measures, and how sure they are."""
