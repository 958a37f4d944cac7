"""A live legacy database, asked over SQLAlchemy; nothing in it is changed."""
