"""Every member that the schemas give a resource has its column; the schemas are beside the checkout, never in it."""

from pathlib import Path

import pytest
from lxml import etree

from greenkit.espi import _codes as codes
from greenkit.espi._cells import column, columns_of
from greenkit.espi._members import LINE_ITEM, TABLES

XSD = Path(__file__).parents[2] / ".." / "shared" / "xsd"
SCHEMA = "{http://www.w3.org/2001/XMLSchema}"
# what a member of these types becomes, and which members become no column: line items have a table of their own
LEAVES = {"DateTimeInterval": "period", "SummaryMeasurement": "measure"}
NOT_COLUMNS = {"batchItemInfo", "extension", "client_secret", "registration_access_token", "password",
               "costAdditionalDetailLastPeriod"}  # fmt: skip
NAMES = {"LocalTimeParameters": "TimeConfiguration"}


def types():
    found = {}
    for name in ("espi.xsd", "customer.xsd"):
        for node in etree.parse(XSD / name).getroot().iter(SCHEMA + "complexType"):
            if node.get("name") and (name, node.get("name")) != ("customer.xsd", "UsagePoint"):
                found.setdefault(node.get("name"), node)
    return found


def paths(found, name, lists):
    """Each member of a type below its path, as (path, type); a list's own members are in its text."""
    node = found[name]
    base = node.find(f".//{SCHEMA}extension")
    if base is not None and base.get("base") in found:
        yield from paths(found, base.get("base"), lists)
    for element in node.iter(SCHEMA + "element"):
        member, kind = element.get("name"), element.get("type")
        if member is None or member in NOT_COLUMNS or (name == "ProgramIdMappings" and member != "programIdMapping"):
            continue
        if member in lists or kind in LEAVES or kind not in found:
            yield member, kind
        else:
            yield from ((f"{member}/{path}", inner) for path, inner in paths(found, kind, lists))


@pytest.mark.skipif(not XSD.exists(), reason="the schemas are not beside the checkout")
@pytest.mark.parametrize("table", [*TABLES, "line_items"])
def test_every_member_of_the_schemas_has_its_column(table):
    found = types()
    kinds, members = TABLES.get(table, (("LineItem",), LINE_ITEM))
    lists = {path.rpartition("/")[2] for path, kind in members.items() if kind == "list"}
    have = {key for path, kind in members.items() for key in columns_of(column(path), kind)}
    count = 0
    for resource in kinds:
        name = NAMES.get(resource, "BatchListType" if resource == "BatchList" else resource)
        for path, kind in paths(found, name, lists):
            assert columns_of(column(path), LEAVES.get(kind, "text")).keys() <= have, f"{resource}/{path}"
            count += 1
    assert count or table == "batch"


def test_no_two_members_share_a_column():
    for name, (_, members) in [*TABLES.items(), ("line_items", ((), LINE_ITEM))]:
        columns = [key for path, kind in members.items() for key in columns_of(column(path), kind)]
        assert len(columns) == len(set(columns)), name


@pytest.mark.skipif(not XSD.exists(), reason="the schemas are not beside the checkout")
@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("UNITS", "UnitSymbolKind"), ("FLOW", "FlowDirectionKind"), ("QUALITY", "QualityOfReading"),
        ("COMMODITY", "CommodityKind"), ("SERVICE", "ServiceKind"), ("ACCUMULATION", "AccumulationKind"),
        ("QUALIFIER", "DataQualifierKind"), ("TIME_ATTRIBUTE", "TimePeriodOfInterest"),
        ("MEASURING_PERIOD", "TimeAttributeKind"), ("KIND", "MeasurementKind"), ("PHASE", "PhaseCodeKind"),
        ("CURRENCY", "Currency"), ("ITEM", "ItemKind"), ("AUTHORIZATION", "AuthorizationStatus"),
        ("SERVICE_STATUS", "ESPIServiceStatus"), ("APPLICATION_STATUS", "DataCustodianApplicationStatus"),
        ("THIRD_PARTY_STATUS", "ThirdPartyApplicatonStatus"), ("THIRD_PARTY_TYPE", "ThirdPartyApplicationType"),
        ("THIRD_PARTY_USE", "ThirdPartyApplicationUse"),
    ],
)  # fmt: skip
def test_every_code_of_the_schemas_has_its_words(table, name):
    (kind,) = etree.parse(XSD / "espi.xsd").getroot().iterfind(f"{SCHEMA}simpleType[@name='{name}']")
    stated = {int(value.get("value")) for value in kind.iter(SCHEMA + "enumeration")}
    more = {410, 484, 554} if table == "CURRENCY" else set()  # KRW, MXN, NZD of ISO 4217, which the schema leaves out
    assert set(getattr(codes, table)) == stated | more
