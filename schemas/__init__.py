"""What is said: every event, command and document that crosses a boundary.  Imports nothing of ours."""
