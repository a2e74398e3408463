"""What is shown over HTTP: the one-click opt-out now, the web console later."""
