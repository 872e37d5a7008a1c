"""Smart Meter Texas files to tidy frames."""
