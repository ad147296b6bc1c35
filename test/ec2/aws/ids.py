"""Ids: random ones for what is made, fixed ones for what is always there."""
import hashlib
import re
import secrets

from .errors import ApiError


def digest(*words):
    return hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()[:17]


def new_id(prefix):
    return prefix + "-" + secrets.token_hex(9)[:17]


# What each kind of id is called in errors.
NAMES = {"i": "InvalidInstanceID", "ami": "InvalidAMIID", "subnet": "InvalidSubnetID", "vpc": "InvalidVpcID", "vol": "InvalidVolume",
         "sg": "InvalidGroup", "lt": "InvalidLaunchTemplateId", "sir": "InvalidSpotInstanceRequestID"}
WHAT = {"i": "instance ID", "ami": "image id", "subnet": "subnet ID", "vpc": "vpc ID", "vol": "volume", "sg": "security group",
        "lt": "launch template", "sir": "spot instance request ID"}
MALFORMED = {"sg": "InvalidGroupId.Malformed", "vol": "InvalidParameterValue", "lt": "InvalidLaunchTemplateId.Malformed"}


def check_ids(prefix, ids, known):
    """Raises EC2's error for ids that cannot be, or are not among the known ones."""
    for one in ids:
        if not re.fullmatch(prefix + r"-[0-9a-f]{8,17}", one):
            raise ApiError(MALFORMED.get(prefix, NAMES[prefix] + ".Malformed"), f'Invalid id: "{one}"')
    unknown = [one for one in ids if one not in known]
    if unknown:
        many = "s" if len(unknown) > 1 else ""
        verb = "do" if many else "does"
        raise ApiError(NAMES[prefix] + ".NotFound", f"The {WHAT[prefix]}{many} '{', '.join(unknown)}' {verb} not exist")
