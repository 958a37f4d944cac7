"""Projections: state streams into the tables of any database, declared and not coded."""
