"""Training sets: entity rows from anywhere, what they ask for, and the rows that are found."""
