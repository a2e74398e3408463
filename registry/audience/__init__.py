"""The audience: members as columns in memory, a shard at a time, so that a selection over millions takes milliseconds."""
