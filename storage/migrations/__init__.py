"""The migrations of the schema: one file each in `versions`, named by its number."""
