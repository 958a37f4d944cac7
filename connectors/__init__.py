"""How a legacy system speaks: wire formats, recorded feeds, captured tables and its schema; may import translators."""

__dragoman__ = True
