"""The embedded log: topics in one SQLite file, written by several processes and read by one worker."""
