"""Fixtures of the tests of the writers."""

from pathlib import Path

import pytest
from lxml import etree

XSD = Path(__file__).parents[2] / ".." / "shared" / "xsd"
SCHEMAS = {
    "http://www.w3.org/2005/Atom": "atom.xsd",
    "http://naesb.org/espi": "espi.xsd",
    "http://naesb.org/espi/customer": "customer.xsd",
}


@pytest.fixture(scope="session")
def schema():
    """The ESPI 4.0 schemas as one: its Atom, and every resource in its content."""
    if not XSD.is_dir():
        pytest.skip("the ESPI schemas are not beside the checkout (../shared/xsd)")
    imports = "".join(f'<xs:import namespace="{space}" schemaLocation="{file}"/>' for space, file in SCHEMAS.items())
    text = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>'
    return etree.XMLSchema(etree.fromstring(text.encode(), base_url=f"{XSD.resolve()}/all.xsd"))


@pytest.fixture(scope="session")
def validate(schema):
    """Validate a feed against the schemas, and return its number of resources."""

    def check(data):
        document = etree.fromstring(data)
        schema.assertValid(document)
        return sum(len(content) for content in document.iter("{http://www.w3.org/2005/Atom}content"))

    return check
