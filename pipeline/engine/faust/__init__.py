"""Faust as the engine: worker's life, group and rebalance are its; whole polls go past its agents, to the same step."""
