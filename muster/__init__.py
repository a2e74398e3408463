"""The doors: settings, wiring and the `muster` command."""
