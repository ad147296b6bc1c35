"""Instance types, where they are offered, and what they cost as spot instances."""
from . import action
from ..catalog import PRODUCTS
from ..errors import ApiError
from ..paging import page, select

FILTERS = {
    "instance-type": lambda t: t.name, "processor-info.supported-architecture": lambda t: t.architecture,
    "current-generation": lambda t: "true" if t.current else "false", "vcpu-info.default-vcpus": lambda t: t.vcpus,
    "memory-info.size-in-mib": lambda t: t.memory, "hypervisor": lambda t: t.hypervisor, "bare-metal": lambda t: "false",
    "supported-usage-class": lambda t: ["on-demand", "spot"], "supported-virtualization-type": lambda t: "hvm",
    "instance-storage-supported": lambda t: "true" if t.disk_count else "false",
}


def named(call, names):
    known = call.region.types
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ApiError("InvalidInstanceType", f"The following supplied instance types do not exist: [{', '.join(unknown)}]")
    return [known[name] for name in names] if names else list(known.values())


@action
def describe_instance_types(call):
    names = call.params.get("InstanceTypes", [])
    if len(names) > 100:
        raise ApiError("InvalidParameterValue", "The maximum number of instance types in a request is 100")
    part, rest = page(call, select(call, named(call, names), FILTERS), ids="InstanceTypes", high=100)
    return {"InstanceTypes": [t.describe() for t in part], **rest}


@action
def describe_instance_type_offerings(call):
    by = call.params.get("LocationType", "region")
    if by not in ("region", "availability-zone"):
        raise ApiError("Unsupported", f"The EC2 service for tests does not know offerings by {by}.")
    offers = []
    for kind in call.region.types.values():
        places = [call.region.name] if by == "region" else call.region.zones_of(kind)
        offers += [{"InstanceType": kind.name, "LocationType": by, "Location": place} for place in places]
    offers = select(call, offers, {"instance-type": lambda o: o["InstanceType"], "location": lambda o: o["Location"]})
    part, rest = page(call, offers)
    return {"InstanceTypeOfferings": part, **rest}


SPOT_FILTERS = {"instance-type": lambda p: p["InstanceType"], "availability-zone": lambda p: p["AvailabilityZone"],
                "product-description": lambda p: p["ProductDescription"], "spot-price": lambda p: p["SpotPrice"]}


@action
def describe_spot_price_history(call):
    """The prices now, and one that was higher an hour ago, unless the request asks for the ones in force only."""
    now, params = call.world.now(), call.params
    start = params.get("StartTime", now - 86400)
    prices = []
    for kind in [t for t in call.region.types.values() if t.name in params.get("InstanceTypes", [t.name])]:
        for zone in call.region.zones_of(kind):
            if params.get("AvailabilityZone", zone) == zone:
                prices += history(kind, zone, start, now)
    products = params.get("ProductDescriptions")
    prices = [p for p in prices if not products or p["ProductDescription"] in products]
    part, rest = page(call, select(call, prices, SPOT_FILTERS), low=1)
    return {"SpotPriceHistory": part, "NextToken": rest.get("NextToken", "")}


def history(kind, zone, start, now):
    """Newest first, back to the one that was in force at the start. Other systems than Linux cost more."""
    found = []
    for product, factor in ((PRODUCTS, 1), ("Windows", 2)):
        for since, more in ((now - now % 3600 - 1800, 1), (now - now % 3600 - 7200, 1.25)):
            found.append({"AvailabilityZone": zone, "InstanceType": kind.name, "ProductDescription": product,
                          "SpotPrice": f"{kind.spot_price(zone) * factor * more:.6f}", "Timestamp": since})
            if since <= start:
                break
    return found
