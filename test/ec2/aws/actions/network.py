"""Regions, zones, VPCs, subnets, key pairs."""
from . import action
from ..catalog import CLOSED_REGIONS
from ..errors import ApiError
from ..iam import ACCOUNT
from ..ids import check_ids, digest
from ..paging import page, select
from ..tags import check_tags


@action
def describe_regions(call):
    open_regions = [(name, "opt-in-not-required") for name in call.world.regions]
    closed = [(name, "not-opted-in") for name in CLOSED_REGIONS] if call.params.get("AllRegions") else []
    wanted = call.params.get("RegionNames", [])
    for name in wanted:
        if name not in [known for known, _ in open_regions + closed]:
            raise ApiError("InvalidParameterValue", f"Invalid region: [{name}]")
    regions = [{"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": status}
               for name, status in open_regions + closed if not wanted or name in wanted]
    return {"Regions": select(call, regions, {"region-name": lambda r: r["RegionName"], "opt-in-status": lambda r: r["OptInStatus"],
                                              "endpoint": lambda r: r["Endpoint"]})}


@action
def describe_availability_zones(call):
    zones = [{"ZoneName": zone, "RegionName": call.region.name, "State": "available", "OptInStatus": "opt-in-not-required",
              "ZoneId": f"{call.region.name.replace('-', '')[:4]}-az{i + 1}", "ZoneType": "availability-zone", "Messages": [],
              "GroupName": call.region.name, "NetworkBorderGroup": call.region.name} for i, zone in enumerate(call.region.zones)]
    wanted = call.params.get("ZoneNames")
    for name in wanted or []:
        if name not in call.region.zones:
            raise ApiError("InvalidParameterValue", f"Invalid availability zone: [{name}]")
    zones = [zone for zone in zones if not wanted or zone["ZoneName"] in wanted]
    return {"AvailabilityZones": select(call, zones, {"zone-name": lambda z: z["ZoneName"], "state": lambda z: z["State"],
                                                      "region-name": lambda z: z["RegionName"], "zone-id": lambda z: z["ZoneId"],
                                                      "opt-in-status": lambda z: z["OptInStatus"]})}


def tags_of(call):
    return lambda thing: call.region.tags.get(thing.id, {})


def tag_shape(call, thing):
    return [{"Key": key, "Value": value} for key, value in tags_of(call)(thing).items()]


VPC_FILTERS = {"vpc-id": lambda v: v.id, "cidr": lambda v: v.cidr, "state": lambda v: "available", "owner-id": lambda v: ACCOUNT,
               "is-default": lambda v: "true" if v.default else "false", "isDefault": lambda v: "true" if v.default else "false"}


@action
def describe_vpcs(call):
    known, wanted = call.region.vpcs, call.params.get("VpcIds", [])
    check_ids("vpc", wanted, known)
    vpcs = [known[one] for one in wanted] if wanted else list(known.values())
    vpcs = [v for v in vpcs if call.world.settings.default_vpc or not v.default]
    part, rest = page(call, select(call, vpcs, VPC_FILTERS, tags_of(call)), ids="VpcIds")
    return {"Vpcs": [{"VpcId": v.id, "CidrBlock": v.cidr, "State": "available", "IsDefault": v.default, "OwnerId": ACCOUNT,
                      "InstanceTenancy": "default", "DhcpOptionsId": "dopt-" + digest(v.id), "Tags": tag_shape(call, v)}
                     for v in part], **rest}


SUBNET_FILTERS = {
    "subnet-id": lambda s: s.id, "vpc-id": lambda s: s.vpc.id, "availability-zone": lambda s: s.zone, "state": lambda s: "available",
    "availabilityZone": lambda s: s.zone, "default-for-az": lambda s: "true" if s.default else "false",
    "defaultForAz": lambda s: "true" if s.default else "false", "owner-id": lambda s: ACCOUNT, "cidr-block": lambda s: s.cidr,
}


@action
def describe_subnets(call):
    known, wanted = call.region.subnets, call.params.get("SubnetIds", [])
    check_ids("subnet", wanted, known)
    subnets = [known[one] for one in wanted] if wanted else list(known.values())
    part, rest = page(call, select(call, subnets, SUBNET_FILTERS, tags_of(call)), ids="SubnetIds")
    return {"Subnets": [{
        "SubnetId": s.id, "VpcId": s.vpc.id, "AvailabilityZone": s.zone, "CidrBlock": s.cidr, "State": "available",
        "DefaultForAz": s.default, "MapPublicIpOnLaunch": s.default, "AvailableIpAddressCount": 4091, "OwnerId": ACCOUNT,
        "AssignIpv6AddressOnCreation": False, "Ipv6CidrBlockAssociationSet": [], "Tags": tag_shape(call, s)}
        for s in part], **rest}


@action
def describe_key_pairs(call):
    known = call.region.key_pairs
    for name in call.params.get("KeyNames", []):
        if name not in known:
            raise ApiError("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")
    wanted = call.params.get("KeyNames") or list(known)
    pairs = [{"KeyName": name, "KeyPairId": known[name], "KeyType": "ed25519", "KeyFingerprint": "SHA256:test", "Tags": []}
             for name in wanted if known[name] in call.params.get("KeyPairIds", [known[name]])]
    return {"KeyPairs": select(call, pairs, {"key-name": lambda k: k["KeyName"], "key-pair-id": lambda k: k["KeyPairId"]})}


def set_network_tags(region, thing_id, pairs):
    """Tags of a VPC or subnet."""
    region.tags[thing_id] = check_tags(pairs, region.tags.get(thing_id))
