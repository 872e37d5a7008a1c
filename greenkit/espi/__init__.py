"""Green Button (ESPI) feeds to tidy frames."""

from greenkit.espi.green_button import GreenButton
from greenkit.espi.reader import load_espi, open_espi

__all__ = ["GreenButton", "load_espi", "open_espi"]
