"""The decider of an appeal: `state.py` is what it knows, `evolve.py` how it learns, `decide.py` what it orders."""
