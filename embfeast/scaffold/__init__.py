"""From a table of texts to a feature repository: look, propose a recipe, write the files."""
