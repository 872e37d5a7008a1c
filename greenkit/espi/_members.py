"""The members that the schemas 1.1 to 4.0 define for each resource, and the kind of column that each becomes.

A member is named by its path below the resource. Kinds: ``text``; ``int``; ``flag``; ``time`` (seconds to a time);
``period`` (columns ``_start`` and ``_end``); ``money`` (10^-5 to currency units); ``measure`` (a SummaryMeasurement:
the value in the frame's unit, ``_unit``, ``_time``, and ``_reading_type_ref``); ``list`` (all of them, joined by
``; ``); or a table of words. Identifiers and the members that are used most come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from greenkit.espi import _codes
from greenkit.espi._codes import Words

Kind = str | Words
Members = Mapping[str, Kind]


def _all(kind: Kind, *paths: str) -> dict[str, Kind]:
    return dict.fromkeys(paths, kind)


def _below(prefix: str, members: Members) -> dict[str, Kind]:
    return {f"{prefix}/{path}": kind for path, kind in members.items()}


USAGE_POINT: Final[Members] = {
    **_all("text", "roleFlags"),
    "ServiceCategory/kind": _codes.SERVICE,
    **_all("int", "status"),
    **_all("text", "serviceDeliveryPoint/name", "serviceDeliveryPoint/tariffProfile"),
    **_all("text", "serviceDeliveryPoint/customerAgreement"),
    **_all("list", "serviceDeliveryPoint/tariffRiderRefs"),
    **_all("text", "amiBillingReady"),
    **_all("flag", "checkBilling"),
    **_all("text", "connectionState"),
    **_all("measure", "estimatedLoad"),
    **_all("flag", "grounded", "isSdp", "isVirtual", "minimalUsageExpected"),
    **_all("measure", "nominalServiceVoltage"),
    **_all("text", "outageRegion"),
    "phaseCode": _codes.PHASE,
    **_all("measure", "ratedCurrent", "ratedPower"),
    **_all("text", "readCycle", "readRoute", "serviceDeliveryRemark", "servicePriority"),
    **_all("list", "pnodeRefs", "aggregateNodeRefs"),
}
READING_TYPE: Final[Members] = {
    "accumulationBehaviour": _codes.ACCUMULATION,
    "commodity": _codes.COMMODITY,
    "consumptionTier": "int",
    "currency": _codes.CURRENCY,
    "dataQualifier": _codes.QUALIFIER,
    "defaultQuality": _codes.QUALITY,
    "flowDirection": _codes.FLOW,
    "intervalLength": "int",
    "kind": _codes.KIND,
    "phase": _codes.PHASE,
    "powerOfTenMultiplier": "int",
    "timeAttribute": _codes.TIME_ATTRIBUTE,
    "tou": "int",
    "uom": "int",
    "cpp": "int",
    **_all("int", "interharmonic/numerator", "interharmonic/denominator"),
    "measuringPeriod": _codes.MEASURING_PERIOD,
    **_all("int", "argument/numerator", "argument/denominator"),
}
BILL: Final[Members] = {
    "billingPeriod": "period",
    **_all("money", "billLastPeriod", "billToDate", "costAdditionalLastPeriod"),
    "currency": _codes.CURRENCY,
    **_all("measure", "overallConsumptionLastPeriod", "currentBillingPeriodOverAllConsumption"),
    **_all("measure", "currentDayLastYearNetConsumption", "currentDayNetConsumption", "currentDayOverallConsumption"),
    **_all("measure", "peakDemand", "previousDayLastYearOverallConsumption", "previousDayNetConsumption"),
    **_all("measure", "previousDayOverallConsumption"),
    "qualityOfReading": _codes.QUALITY,
    **_all("measure", "ratchetDemand"),
    **_all("period", "ratchetDemandPeriod"),
    **_all("time", "statusTimeStamp"),
    "commodity": _codes.COMMODITY,
    **_all("text", "tariffProfile", "readCycle"),
    **_all("list", "tariffRiderRefs"),
    **_all("text", "billingChargeSource/agencyName"),
}
LINE_ITEM: Final[Members] = {
    "note": "text",
    "itemKind": _codes.ITEM,
    "amount": "money",
    "currency": _codes.CURRENCY,  # the bill's
    "measurement": "measure",
    **_all("money", "unitCost", "rounding"),
    "dateTime": "time",
    "itemPeriod": "period",
}
# integers as the feed has them: voltages in 10^-6 V, frequency in 10^-6 Hz, flicker in hundredths, events as counts
POWER_QUALITY: Final[Members] = {
    "summaryInterval": "period",
    **_all("int", "flickerPlt", "flickerPst", "harmonicVoltage", "longInterruptions", "mainsVoltage"),
    **_all("int", "measurementProtocol", "powerFrequency", "rapidVoltageChanges", "shortInterruptions"),
    **_all("int", "supplyVoltageDips", "supplyVoltageImbalance", "supplyVoltageVariations", "tempOvervoltage"),
}
LOCAL_TIME: Final[Members] = {
    **_all("int", "tzOffset", "dstOffset"),
    **_all("text", "dstStartRule", "dstEndRule"),
}
AUTHORIZATION: Final[Members] = {
    **_all("period", "authorizedPeriod", "publishedPeriod"),
    "status": _codes.AUTHORIZATION,
    "expires_at": "time",
    **_all("text", "grant_type", "scope", "token_type", "error", "error_description", "error_uri"),
    **_all("text", "resourceURI", "authorizationURI", "customerResourceURI"),
}
# client_secret and registration_access_token are secrets, so they are not columns
APPLICATION: Final[Members] = {
    **_all("text", "dataCustodianId"),
    "dataCustodianApplicationStatus": _codes.APPLICATION_STATUS,
    "thirdPartyApplicationDescription": "text",
    "thirdPartyApplicationStatus": _codes.THIRD_PARTY_STATUS,
    "thirdPartyApplicationType": _codes.THIRD_PARTY_TYPE,
    "thirdPartyApplicationUse": _codes.THIRD_PARTY_USE,
    **_all("text", "thirdPartyPhone", "authorizationServerUri", "thirdPartyNotifyUri"),
    **_all("text", "authorizationServerAuthorizationEndpoint", "authorizationServerRegistrationEndpoint"),
    **_all("text", "authorizationServerTokenEndpoint", "dataCustodianBulkRequestURI", "dataCustodianResourceEndpoint"),
    **_all("text", "thirdPartyScopeSelectionScreenURI", "thirdPartyUserPortalScreenURI", "logo_uri", "client_name"),
    **_all("text", "client_uri"),
    **_all("list", "redirect_uri"),
    **_all("text", "client_id", "tos_uri", "policy_uri", "software_id", "software_version"),
    **_all("time", "client_id_issued_at", "client_secret_expires_at"),
    **_all("list", "contacts"),
    **_all("text", "token_endpoint_auth_method"),
    **_all("list", "scope", "grant_types"),
    **_all("text", "response_types", "registration_client_uri", "dataCustodianScopeSelectionScreenURI"),
}
SERVICE_STATUS: Final[Members] = {"currentStatus": _codes.SERVICE_STATUS}
BATCH: Final[Members] = {"resources": "list"}

_STATUS: Final = _all("text", "value", "remark", "reason") | {"dateTime": "time"}
_ADDRESS: Final[Members] = {
    **_below(
        "streetDetail",
        {
            **_all("text", "number", "name", "suffix", "prefix", "type", "code", "buildingName", "suiteNumber"),
            **_all("text", "addressGeneral", "addressGeneral2", "addressGeneral3"),
            **_all("flag", "withinTownLimits"),
        },
    ),
    **_below("townDetail", _all("text", "code", "section", "name", "county", "stateOrProvince", "country")),
    **_below("status", _STATUS),
    **_all("text", "postalCode", "poBox"),
}
_PHONE: Final[Members] = {
    **_all("text", "countryCode", "areaCode", "cityCode", "localNumber", "ext", "dialOut"),
    **_all("text", "internationalPrefix", "ituPhone"),
}
# an electronic address may have a password, which is not a column
_ELECTRONIC: Final = _all("text", "lan", "mac", "email1", "email2", "web", "radio", "userID")
_REACH: Final[Members] = {
    **_below("phone1", _PHONE),
    **_below("phone2", _PHONE),
    **_below("electronicAddress", _ELECTRONIC),
}
_ORGANISATION: Final[Members] = {
    "name": "text",
    **_below("streetAddress", _ADDRESS),
    **_below("postalAddress", _ADDRESS),
    **_REACH,
    "organisationName": "text",
}
_DOCUMENT: Final[Members] = {
    **_all("text", "name", "type", "authorName"),
    **_all("time", "createdDateTime", "lastModifiedDateTime"),
    **_all("text", "revisionNumber"),
    **_below("electronicAddress", _ELECTRONIC),
    **_all("text", "subject", "title"),
    **_below("docStatus", _STATUS),
    **_below("status", _STATUS),
    **_all("text", "comment"),
}
CUSTOMER: Final[Members] = {
    **_all("text", "customerName", "name", "kind", "specialNeed"),
    **_below("Organisation", _ORGANISATION),
    **_all("flag", "vip"),
    **_all("text", "pucNumber"),
    **_below("status", _STATUS),
    **_all("int", "priority/rank"),
    **_all("text", "priority/type", "priority/justification", "locale"),
}
ACCOUNT: Final[Members] = {
    "accountId": "text",
    **_all("text", "billingCycle", "budgetBill"),
    **_all("money", "lastBillAmount"),
    **_all("list", "notifications"),
    **_below("contactInfo", _ORGANISATION),
    **_DOCUMENT,
}
AGREEMENT: Final[Members] = {
    "agreementId": "text",
    "signDate": "time",
    "validityInterval": "period",
    "loadMgmt": "text",
    "isPrePay": "flag",
    "shutOffDateTime": "time",
    **_all("list", "DemandResponseProgram", "PricingStructures"),
    "currency": _codes.CURRENCY,
    **_all("list", "futureStatus"),
    **_DOCUMENT,
}
SERVICE_LOCATION: Final[Members] = {
    **_all("text", "name", "type"),
    **_below("mainAddress", _ADDRESS),
    **_below("secondaryAddress", _ADDRESS),
    **_REACH,
    **_all("text", "geoInfoReference", "direction"),
    **_below("status", _STATUS),
    **_all("list", "positionPoints"),
    **_all("text", "accessMethod", "siteAccessProblem"),
    **_all("flag", "needsInspection"),
    **_all("list", "UsagePoints"),
    **_all("text", "outageBlock"),
}
SUPPLIER: Final[Members] = {
    "name": "text",
    **_below("Organisation", _ORGANISATION),
    **_all("text", "kind", "issuerIdentificationNumber"),
    "effectiveDate": "time",
}
METER: Final[Members] = {
    **_all("text", "serialNumber", "name", "type", "utcNumber", "lotNumber"),
    **_all("money", "purchasePrice"),
    **_all("flag", "critical"),
    **_below("electronicAddress", _ELECTRONIC),
    **_below(
        "lifecycle",
        _all(
            "time", "manufacturedDate", "purchaseDate", "receivedDate", "installationDate", "removalDate", "retiredDate"
        ),
    ),
    **_all("text", "acceptanceTest/type"),
    **_all("flag", "acceptanceTest/success"),
    **_all("time", "acceptanceTest/dateTime"),
    **_all("text", "initialCondition", "initialLossOfLife"),
    **_below("status", _STATUS),
    **_all("flag", "isVirtual", "isPan"),
    **_all("text", "installCode", "amrSystem", "formNumber"),
    **_all("list", "MeterMultipliers"),
    **_all("int", "intervalLength"),
}
PROGRAM: Final[Members] = {"name": "text", **_all("list", "programDateIdMapping", "programIdMapping")}
STATEMENT: Final[Members] = {
    **_all("text", "name"),
    "issueDateTime": "time",
    "statementRef": "list",
    **_all("text", "fileName", "mediaType", "statementURL", ""),
}

TABLES: Final[Mapping[str, tuple[tuple[str, ...], Members]]] = {
    "usage_points": (("UsagePoint",), USAGE_POINT),
    "reading_types": (("ReadingType",), READING_TYPE),
    "bills": (("UsageSummary", "ElectricPowerUsageSummary"), BILL),
    "power_quality": (("ElectricPowerQualitySummary",), POWER_QUALITY),
    "local_time": (("LocalTimeParameters",), LOCAL_TIME),
    "authorizations": (("Authorization",), AUTHORIZATION),
    "application_information": (("ApplicationInformation",), APPLICATION),
    "service_status": (("ServiceStatus",), SERVICE_STATUS),
    "batch": (("BatchList",), BATCH),
    "customers": (("Customer",), CUSTOMER),
    "accounts": (("CustomerAccount",), ACCOUNT),
    "agreements": (("CustomerAgreement",), AGREEMENT),
    "service_locations": (("ServiceLocation",), SERVICE_LOCATION),
    "suppliers": (("ServiceSupplier",), SUPPLIER),
    "meters": (("Meter", "EndDevice"), METER),
    "programs": (("ProgramDateIdMappings", "ProgramIdMappings"), PROGRAM),
    "statements": (("Statement", "StatementRef"), STATEMENT),
}
"""The kinds of resources in each table, and their members."""
