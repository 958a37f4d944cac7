"""How agreement is proven: check, compare, fence, verdict and report; may import everything but the front door."""

__dragoman__ = True
