"""What tricks are built of: clustering, exact neighbours, moments, products a row, terms."""
