"""Security groups and their rules."""
import ipaddress
import re

from . import action
from ..errors import ApiError, bad_combination, bad_value, missing
from ..groups import Group, Rule
from ..ids import check_ids
from ..paging import page, select
from ..tags import read_specifications

NAME = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")
PROTOCOLS = {"tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp", "icmp": "icmp", "1": "icmp", "icmpv6": "icmpv6", "-1": "-1", "all": "-1"}
RULES_LIMIT = 60


@action
def create_security_group(call):
    params, region = call.params, call.region
    name = params["GroupName"]
    if params.get("TagSpecifications"):
        call.require("ec2:CreateTags")
    if not NAME.fullmatch(name) or name.startswith("sg-"):
        raise bad_value(name, "groupName", "Character sets beyond ASCII are not supported.")
    if not NAME.fullmatch(params["Description"]):
        raise bad_value(params["Description"], "GroupDescription", "Character sets beyond ASCII are not supported.")
    vpc = find_vpc(call, params.get("VpcId"))
    if any(g.vpc is vpc and g.name == name for g in region.groups.values()):
        raise ApiError("InvalidGroup.Duplicate", f"The security group '{name}' already exists for VPC '{vpc.id}'")
    tags = read_specifications(params.get("TagSpecifications"), {"security-group"}).get("security-group", {})
    group = Group(vpc, name, params["Description"], tags)
    region.groups[group.id] = group
    return {"GroupId": group.id, "Tags": group.describe()["Tags"]}


def find_vpc(call, vpc_id):
    vpcs = call.region.vpcs
    if vpc_id:
        check_ids("vpc", [vpc_id], vpcs)
        return vpcs[vpc_id]
    if not call.world.settings.default_vpc:
        raise ApiError("VPCIdNotSpecified", "No default VPC for this user")
    return next(vpc for vpc in vpcs.values() if vpc.default)


def find_group(call):
    group_id, name, groups = call.params.get("GroupId"), call.params.get("GroupName"), call.region.groups
    if group_id is not None:
        check_ids("sg", [group_id], groups)
        if name not in (None, groups[group_id].name):
            raise bad_combination("The parameters GroupId and GroupName do not mean the same group")
        return groups[group_id]
    if name is None:
        raise missing("GroupId")
    for group in groups.values():
        if group.vpc.default and group.name == name:
            return group
    raise ApiError("InvalidGroup.NotFound", f"The security group '{name}' does not exist in default VPC")


@action
def delete_security_group(call):
    """Not while an instance, or a rule of another group, has it."""
    group = find_group(call)
    if group.name == "default":
        raise ApiError("CannotDelete", f"the specified group: \"{group.id}\" name: \"default\" cannot be deleted by a user")
    users = [i for i in call.region.instances.values() if i.state != "terminated" and group in i.groups]
    named = [g for g in call.region.groups.values() if g is not group and any(r.peer == ("group", group.id) for r in g.rules)]
    if users or named:
        raise ApiError("DependencyViolation", f"resource {group.id} has a dependent object")
    del call.region.groups[group.id]
    return {}


GROUP_FILTERS = {
    "group-id": lambda g: g.id, "group-name": lambda g: g.name, "vpc-id": lambda g: g.vpc.id, "description": lambda g: g.description,
    "owner-id": lambda g: g.describe()["OwnerId"], "ip-permission.cidr": lambda g: [r.peer[1] for r in g.ingress()],
    "ip-permission.group-id": lambda g: [r.peer[1] for r in g.ingress()], "ip-permission.to-port": lambda g: [r.high for r in g.ingress()],
    "ip-permission.from-port": lambda g: [r.low for r in g.ingress()],
    "ip-permission.protocol": lambda g: [r.protocol for r in g.ingress()],
}


@action
def describe_security_groups(call):
    known, wanted, names = call.region.groups, call.params.get("GroupIds", []), call.params.get("GroupNames", [])
    check_ids("sg", wanted, known)
    for name in names:
        if not any(g.name == name and g.vpc.default for g in known.values()):
            raise ApiError("InvalidGroup.NotFound", f"The security group '{name}' does not exist in default VPC")
    groups = [known[one] for one in wanted] if wanted else list(known.values())
    groups = [g for g in groups if not names or (g.name in names and g.vpc.default)]
    part, rest = page(call, select(call, groups, GROUP_FILTERS, lambda g: g.tags), ids="GroupIds")
    return {"SecurityGroups": [g.describe() for g in part], **rest}


@action
def authorize_security_group_ingress(call):
    """All of its rules, or none."""
    group = find_group(call)
    if call.params.get("TagSpecifications"):
        call.require("ec2:CreateTags")
    tags = read_specifications(call.params.get("TagSpecifications"), {"security-group-rule"}).get("security-group-rule", {})
    rules = read_rules(call, group, tags)
    keys = [rule.key for rule in group.rules]
    for rule in rules:
        if rule.key in keys:
            raise ApiError("InvalidPermission.Duplicate", f"the specified rule \"peer: {rule.peer[1]}, {rule.protocol.upper()}, "
                           f"from port: {rule.low}, to port: {rule.high}, ALLOW\" already exists")
        keys.append(rule.key)
    if len(group.ingress()) + len(rules) > RULES_LIMIT:
        raise ApiError("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
    group.rules += rules
    return {"Return": True, "SecurityGroupRules": [rule.describe() for rule in rules]}


@action
def revoke_security_group_ingress(call):
    group, wanted = find_group(call), call.params.get("SecurityGroupRuleIds")
    if wanted:
        if call.params.get("IpPermissions"):
            raise bad_combination("The parameters securityGroupRuleIds and ipPermissions cannot be used together")
        ids = {rule.id: rule for rule in group.ingress()}
        unknown = [one for one in wanted if one not in ids]
        if unknown:
            raise ApiError("InvalidSecurityGroupRuleId.NotFound", f"The security group rule ID '{unknown[0]}' does not exist")
        gone = [ids[one] for one in wanted]
    else:
        gone = []
        for rule in read_rules(call, group, {}):
            match = next((r for r in group.rules if r.key == rule.key), None)
            if match is None:
                raise ApiError("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
            gone.append(match)
    group.rules = [rule for rule in group.rules if rule not in gone]
    return {"Return": True, "UnknownIpPermissions": []}


RULE_FILTERS = {"group-id": lambda r: r.group.id, "security-group-rule-id": lambda r: r.id}


@action
def describe_security_group_rules(call):
    rules = [rule for group in call.region.groups.values() for rule in group.rules]
    wanted = call.params.get("SecurityGroupRuleIds", [])
    unknown = set(wanted) - {rule.id for rule in rules}
    if unknown:
        raise ApiError("InvalidSecurityGroupRuleId.NotFound", f"The security group rule ID '{unknown.pop()}' does not exist")
    rules = [rule for rule in rules if not wanted or rule.id in wanted]
    part, rest = page(call, select(call, rules, RULE_FILTERS, lambda r: r.tags), ids="SecurityGroupRuleIds")
    return {"SecurityGroupRules": [rule.describe() for rule in part], **rest}


def read_rules(call, group, tags):
    """The rules that IpPermissions, or the older parameters for a single one, mean."""
    params = call.params
    entries = params.get("IpPermissions")
    simple = {name: params[name] for name in ("IpProtocol", "FromPort", "ToPort", "CidrIp") if name in params}
    if "SourceSecurityGroupName" in params or "SourceSecurityGroupOwnerId" in params:
        raise ApiError("Unsupported", "The EC2 service for tests does not know SourceSecurityGroupName.")
    if bool(entries) == bool(simple):
        raise bad_combination("Exactly one of ipPermissions and the parameters of a single rule must be given")
    if simple:
        entries = [{**simple, "IpRanges": [{"CidrIp": simple.pop("CidrIp")}] if "CidrIp" in simple else []}]
        entries[0].pop("CidrIp", None)
    return [rule for entry in entries for rule in read_entry(call, group, entry, tags)]


def read_entry(call, group, entry, tags):
    protocol = PROTOCOLS.get(entry.get("IpProtocol", ""))
    if protocol is None:
        raise bad_value(entry.get("IpProtocol"), "IpProtocol", "Unknown protocol.")
    low, high = entry.get("FromPort", -1), entry.get("ToPort", -1)
    if protocol in ("tcp", "udp"):
        if "FromPort" not in entry or "ToPort" not in entry:
            raise ApiError("InvalidParameterValue", f"Invalid value 'Must specify both from and to ports with {protocol.upper()}.' "
                           "for portRange.")
        if not 0 <= low <= high <= 65535:
            raise ApiError("InvalidParameterValue", f"Invalid TCP/UDP port range ({low}:{high})")
    peers = [peer for source in (cidrs_v4, cidrs_v6, group_peers) for peer in source(call, group, entry)]
    if not peers:
        raise missing("IpRanges, Ipv6Ranges or UserIdGroupPairs")
    if entry.get("PrefixListIds"):
        raise ApiError("Unsupported", "The EC2 service for tests does not know prefix lists.")
    if protocol == "-1":
        low, high = -1, -1
    return [Rule(group, protocol, low, high, peer, description, tags=tags) for peer, description in peers]


def check_description(text):
    if text is not None and (len(text) > 255 or not re.fullmatch(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*", text)):
        raise ApiError("InvalidParameterValue", "Invalid rule description. Valid descriptions are strings less than 256 characters "
                       "from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*")
    return text


def cidr(text, kind):
    try:
        network = ipaddress.ip_network(text, strict=False)
        if network.version != kind or "/" not in text:
            raise ValueError
    except ValueError:
        raise ApiError("InvalidParameterValue", f"CIDR block {text} is malformed") from None
    return str(network)


def cidrs_v4(call, group, entry):
    return [(("ipv4", cidr(r.get("CidrIp", ""), 4)), check_description(r.get("Description"))) for r in entry.get("IpRanges", [])]


def cidrs_v6(call, group, entry):
    return [(("ipv6", cidr(r.get("CidrIpv6", ""), 6)), check_description(r.get("Description"))) for r in entry.get("Ipv6Ranges", [])]


def group_peers(call, group, entry):
    found = []
    for pair in entry.get("UserIdGroupPairs", []):
        one = pair.get("GroupId")
        if not one:
            raise missing("IpPermissions.Groups.GroupId")
        check_ids("sg", [one], call.region.groups)
        if call.region.groups[one].vpc is not group.vpc:
            raise ApiError("InvalidGroup.NotFound", f"You have specified two resources that belong to different networks: {one}")
        found.append((("group", one), check_description(pair.get("Description"))))
    return found
