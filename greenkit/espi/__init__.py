"""Green Button (ESPI) feeds to tidy frames."""

from greenkit.espi.reader import GreenButton, load_espi, open_espi

__all__ = ["GreenButton", "load_espi", "open_espi"]
