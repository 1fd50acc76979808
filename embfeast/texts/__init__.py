"""Where texts lie and what they say: databases, tables, files."""
