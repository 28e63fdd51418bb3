"""Photos classified into the folder of a run, so that it goes on where it was broken off."""
