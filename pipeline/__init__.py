"""How changes move: step, log, state, publish, offsets and projection; may import connectors and translators."""

__dragoman__ = True
