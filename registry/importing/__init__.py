"""How a file of members becomes members: survey, read, understand, merge, store, in chunks that survive a crash."""
