"""The memory of reconciliation: findings from their first sighting to their end, runs, and how long all was proven."""
