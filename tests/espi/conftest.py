import pytest

from greenkit import frame
from greenkit.espi import open_espi


@pytest.fixture
def opened():
    """Open a feed, and check both frames."""

    def open_(source, **kw):
        found = open_espi(source, **kw)
        frame.check(found.readings, exact=True)
        frame.check(found.registers, exact=True)
        return found

    return open_
