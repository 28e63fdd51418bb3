"""Handing on: points and photos in the forms that biodiversity portals and data catalogues read."""
