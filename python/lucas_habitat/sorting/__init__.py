"""Photos sorted into class folders, and what people make of them in their file manager."""
