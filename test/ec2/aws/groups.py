"""Security groups and their rules."""
from .iam import ACCOUNT
from .ids import new_id


class Rule:
    """One rule: a protocol, ports, and one peer, which is a CIDR or a group."""

    def __init__(self, group, protocol, low, high, peer, description, egress=False, tags=None):
        self.id = new_id("sgr")
        self.group = group
        self.protocol = protocol
        self.low = low
        self.high = high
        # ("ipv4", "10.0.0.0/8"), ("ipv6", …) or ("group", "sg-…")
        self.peer = peer
        self.description = description
        self.egress = egress
        self.tags = dict(tags or {})

    @property
    def key(self):
        """What may be there only once."""
        return self.egress, self.protocol, self.low, self.high, self.peer

    def describe(self):
        """As DescribeSecurityGroupRules has it."""
        info = {"SecurityGroupRuleId": self.id, "GroupId": self.group.id, "GroupOwnerId": ACCOUNT, "IsEgress": self.egress,
                "IpProtocol": self.protocol, "FromPort": self.low, "ToPort": self.high,
                "Tags": [{"Key": k, "Value": v} for k, v in self.tags.items()]}
        if self.peer[0] == "group":
            info["ReferencedGroupInfo"] = {"GroupId": self.peer[1], "UserId": ACCOUNT}
        else:
            info["CidrIpv4" if self.peer[0] == "ipv4" else "CidrIpv6"] = self.peer[1]
        if self.description is not None:
            info["Description"] = self.description
        return info

    def dump(self):
        return {"id": self.id, "protocol": self.protocol, "from": self.low, "to": self.high, "peer": self.peer[1],
                "description": self.description, "tags": self.tags}


class Group:
    """rules holds both directions; a new group lets everything out."""

    def __init__(self, vpc, name, description, tags=None):
        self.id = new_id("sg")
        self.vpc = vpc
        self.name = name
        self.description = description
        self.tags = dict(tags or {})
        self.rules = [Rule(self, "-1", -1, -1, ("ipv4", "0.0.0.0/0"), None, egress=True)]

    def ingress(self):
        return [rule for rule in self.rules if not rule.egress]

    def describe(self):
        return {"GroupId": self.id, "GroupName": self.name, "Description": self.description, "OwnerId": ACCOUNT,
                "VpcId": self.vpc.id, "Tags": [{"Key": k, "Value": v} for k, v in self.tags.items()],
                "IpPermissions": permissions(self.ingress()),
                "IpPermissionsEgress": permissions([rule for rule in self.rules if rule.egress])}

    def dump(self):
        return {"id": self.id, "name": self.name, "vpc": self.vpc.id, "tags": self.tags,
                "rules": [rule.dump() for rule in self.ingress()]}


def permissions(rules):
    """Rules of the same protocol and ports together, as DescribeSecurityGroups has them."""
    found = {}
    for rule in rules:
        entry = found.setdefault((rule.protocol, rule.low, rule.high), {
            "IpProtocol": rule.protocol, "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []})
        if rule.protocol != "-1":
            entry.update(FromPort=rule.low, ToPort=rule.high)
        described = {} if rule.description is None else {"Description": rule.description}
        kind, peer = rule.peer
        if kind == "group":
            entry["UserIdGroupPairs"].append({"GroupId": peer, "UserId": ACCOUNT, **described})
        elif kind == "ipv4":
            entry["IpRanges"].append({"CidrIp": peer, **described})
        else:
            entry["Ipv6Ranges"].append({"CidrIpv6": peer, **described})
    return list(found.values())
