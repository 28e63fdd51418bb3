"""Files from servers, over https: asked for with patience, going on where they broke off."""
