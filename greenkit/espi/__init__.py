"""Green Button (ESPI) feeds to tidy frames."""
