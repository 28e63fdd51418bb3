"""Pages of HTML that need nothing from elsewhere."""
