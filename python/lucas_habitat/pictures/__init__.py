"""Pictures as journals print them, and the tables they are drawn from."""
