"""The LUCAS survey: its nomenclature, tables, photos and server."""
