"""Sidecars: XMP files beside photos, in which photo managers keep and find keywords."""
