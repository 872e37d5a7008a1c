"""Green Button (ESPI) feeds to tidy frames."""

from greenkit.espi._clock import check_epoch, check_zone
from greenkit.espi._reader import GreenButton, load_espi, open_espi

__all__ = ["GreenButton", "check_epoch", "check_zone", "load_espi", "open_espi"]
