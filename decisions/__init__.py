"""What is decided: pure rules over values.  No clock, no randomness, no network, no database."""
