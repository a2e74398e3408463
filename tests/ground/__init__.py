"""The ground that everything stands on: layers, lock files, scripts, the compose file, the test servers."""
