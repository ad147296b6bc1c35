"""CreateTags, DeleteTags and DescribeTags."""
from . import action
from .network import set_network_tags
from ..errors import ApiError
from ..ids import NAMES
from ..paging import page, select
from ..tags import check_tags

KINDS = {"i": ("instance", "instances"), "vol": ("volume", "volumes"), "sg": ("security-group", "groups"),
         "lt": ("launch-template", "templates"), "sir": ("spot-instances-request", "spot_requests")}


def find(region, one):
    """What has tags of its own."""
    prefix = one.partition("-")[0]
    if prefix == "sgr":
        return next((rule for group in region.groups.values() for rule in group.rules if rule.id == one), None)
    return getattr(region, KINDS[prefix][1]).get(one) if prefix in KINDS else None


@action
def create_tags(call):
    """All or nothing."""
    region, resources = call.region, call.params["Resources"]
    network = {**region.vpcs, **region.subnets}
    things = {one: find(region, one) for one in resources if one not in network}
    for one, thing in things.items():
        if thing is None:
            raise ApiError(NAMES.get(one.partition("-")[0], "InvalidID") + ".NotFound", f"The ID '{one}' does not exist")
    for thing in things.values():
        check_tags(call.params["Tags"], thing.tags)
    for one in resources:
        if one in network:
            set_network_tags(region, one, call.params["Tags"])
        else:
            things[one].tags = check_tags(call.params["Tags"], things[one].tags)
    return {}


@action
def delete_tags(call):
    """Tags of instances, groups and the like; a key without a value means any value."""
    resources = call.params["Resources"]
    things = {one: find(call.region, one) for one in resources}
    for one, thing in things.items():
        if thing is None:
            raise ApiError(NAMES.get(one.partition("-")[0], "InvalidID") + ".NotFound", f"The ID '{one}' does not exist")
    for thing in things.values():
        for pair in call.params.get("Tags", []):
            if "Value" not in pair or thing.tags.get(pair["Key"]) == pair["Value"]:
                thing.tags.pop(pair["Key"], None)
    return {}


@action
def describe_tags(call):
    found = []
    for kind, folder in KINDS.values():
        for one, thing in getattr(call.region, folder).items():
            found += [{"Key": k, "Value": v, "ResourceId": one, "ResourceType": kind} for k, v in thing.tags.items()]
    for group in call.region.groups.values():
        for rule in group.rules:
            found += [{"Key": k, "Value": v, "ResourceId": rule.id, "ResourceType": "security-group-rule"}
                      for k, v in rule.tags.items()]
    for one, tags in call.region.tags.items():
        found += [{"Key": k, "Value": v, "ResourceId": one, "ResourceType": "vpc" if one in call.region.vpcs else "subnet"}
                  for k, v in tags.items()]
    found = select(call, found, {"key": lambda t: t["Key"], "value": lambda t: t["Value"], "resource-id": lambda t: t["ResourceId"],
                                 "resource-type": lambda t: t["ResourceType"]})
    part, rest = page(call, found)
    return {"Tags": part, **rest}
