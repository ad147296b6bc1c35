"""The instance metadata service, version 2 only: what an instance learns of itself."""
import base64
import json
import secrets

from .iam import ACCOUNT
from .model import iso_time
from .query import Answer

TOKEN_HEADER, TTL_HEADER = "x-aws-ec2-metadata-token", "x-aws-ec2-metadata-token-ttl-seconds"
VERSIONS = ("latest", "2009-04-04", "2016-09-02", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23", "2021-07-15")
TEXT = "text/plain"
CREDENTIALS_SECONDS = 6 * 3600


def answer(world, request):
    """None when the path is none of the metadata service's."""
    version, _, rest = request.path.lstrip("/").partition("/")
    if version not in VERSIONS and request.path != "/":
        return None
    result = respond(world, request, version, rest)
    world.write_log(action="metadata:" + request.path, method=request.method, status=result.status,
                    peer="%s:%d" % request.peer, token=TOKEN_HEADER in request.headers, cut=result.cut)
    return result


def respond(world, request, version, rest):
    fault = world.faults.find("metadata:" + request.path, None, tags_of(world, request))
    if "hold" in fault:
        world.faults.hold(fault["hold"])
    if fault.get("cut"):
        return Answer(0, b"", cut="before")
    if "error" in fault:
        return Answer(fault["error"].get("status", 500), b"", TEXT)
    if not world.settings.metadata:
        return Answer(403, b"", TEXT)
    if rest == "api/token":
        return give_token(world, request)
    if request.method != "GET":
        return Answer(405, b"", TEXT)
    expires = world.metadata_tokens.get(request.headers.get(TOKEN_HEADER))
    if expires is None or expires < world.now():
        return Answer(401, b"", TEXT)
    if "body" in fault:
        return Answer(fault.get("status", 200), fault["body"].encode(), TEXT)
    with world.lock:
        text = look_up(tree(world, find_self(world, request.peer[0])), version, rest)
    return Answer(404, b"Not Found", TEXT) if text is None else Answer(200, text, TEXT)


def tags_of(world, request):
    """Of the instance that asks, for rules that are meant for one cluster."""
    with world.lock:
        instance = find_self(world, request.peer[0])
        return {f"Tag.{key}": value for key, value in instance.tags.items()} if instance else {}


def give_token(world, request):
    if request.method != "PUT":
        return Answer(405, b"", TEXT)
    if "x-forwarded-for" in request.headers:
        return Answer(403, b"", TEXT)
    seconds = request.headers.get(TTL_HEADER, "")
    if not seconds.isdigit() or not 1 <= int(seconds) <= 21600:
        return Answer(400, b"", TEXT)
    token = secrets.token_urlsafe(40)
    world.metadata_tokens[token] = world.now() + int(seconds)
    return Answer(200, token.encode(), TEXT, {TTL_HEADER: seconds})


def find_self(world, address):
    """The instance that asks: by its address, or the one that a test has named."""
    for instance in world.live():
        if instance.private_address == address:
            return instance
    return world.find_instance(world.metadata_self) if world.metadata_self else None


def look_up(node, version, rest):
    if not version:
        return "\n".join(VERSIONS).encode()
    for part in rest.split("/"):
        if part:
            if not isinstance(node, dict) or part not in node:
                return None
            node = node[part]
    if callable(node):
        node = node()
    if isinstance(node, dict):
        node = "\n".join(name + ("/" if isinstance(child, dict) else "") for name, child in node.items())
    return node.encode() if isinstance(node, str) else node


def tree(world, instance):
    """Folders are dictionaries; what is absent answers 404."""
    if instance is None:
        return host_tree(world)
    instance.settle()
    nodes = {"dynamic": {"instance-identity": {"document": identity(instance)}}, "meta-data": meta_data(world, instance)}
    if instance.spec.user_data is not None:
        nodes["user-data"] = base64.b64decode(instance.spec.user_data)
    return nodes


def host_tree(world):
    """Of the machine that the tests run on, if it were an instance in us-west-2 with an instance profile."""
    return {"dynamic": {"instance-identity": {"document": json.dumps({"region": "us-west-2", "accountId": ACCOUNT})}},
            "meta-data": {"placement": {"availability-zone": "us-west-2a", "region": "us-west-2"},
                          "public-ipv4": world.settings.checkip, "instance-id": "i-0123456789abcdef0",
                          "iam": roles(world, "worker")}}


def identity(instance):
    return json.dumps({
        "accountId": ACCOUNT, "architecture": instance.spec.image.architecture, "availabilityZone": instance.subnet.zone,
        "imageId": instance.spec.image.id, "instanceId": instance.id, "instanceType": instance.spec.type.name,
        "pendingTime": iso_time(instance.launched), "privateIp": instance.private_address, "region": instance.region.name,
        "version": "2017-09-30"}, indent=2)


def roles(world, name):
    """iam/: what the role of the instance profile may use, new at each look, as if it had just been refreshed."""
    def credentials():
        expires = world.now() + CREDENTIALS_SECONDS
        principal = world.iam.temporary(f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/i-test", expires)
        return json.dumps({"Code": "Success", "LastUpdated": iso_time(world.now()), "Type": "AWS-HMAC",
                           "AccessKeyId": principal.access_key, "SecretAccessKey": principal.secret_key,
                           "Token": principal.session_token, "Expiration": iso_time(expires)})
    return {"info": json.dumps({"Code": "Success", "InstanceProfileArn": f"arn:aws:iam::{ACCOUNT}:instance-profile/{name}"}),
            "security-credentials": {name: credentials}}


def meta_data(world, instance):
    nodes = {
        "ami-id": instance.spec.image.id, "ami-launch-index": str(instance.index), "ami-manifest-path": "(unknown)",
        "block-device-mapping": block_devices(instance), "hostname": instance.private_dns, "instance-action": "none",
        "instance-id": instance.id, "instance-life-cycle": instance.market, "instance-type": instance.spec.type.name,
        "local-hostname": instance.private_dns, "local-ipv4": instance.private_address, "mac": instance.mac,
        "network": {"interfaces": {"macs": {instance.mac: interface(instance)}}},
        "placement": {"availability-zone": instance.subnet.zone, "region": instance.region.name},
        "reservation-id": instance.reservation, "security-groups": "\n".join(g.name for g in instance.groups),
        "services": {"domain": "amazonaws.com", "partition": "aws"},
    }
    if instance.has_public:
        nodes.update({"public-ipv4": instance.public_address, "public-hostname": instance.public_dns})
    if instance.spec.profile:
        nodes["iam"] = roles(world, instance.spec.profile)
    if instance.spec.metadata_options.get("InstanceMetadataTags") == "enabled":
        nodes["tags"] = {"instance": dict(instance.tags)}
    spot = spot_notices(world, instance)
    if spot:
        nodes["spot"] = spot
    if instance.rebalance is not None:
        nodes["events"] = {"recommendations": {"rebalance": json.dumps({"noticeTime": iso_time(instance.rebalance)})}}
    return nodes


def spot_notices(world, instance):
    if instance.interruption is None or world.now() < instance.interruption[0]:
        return {}
    when = iso_time(instance.interruption[1])
    return {"instance-action": json.dumps({"action": "terminate", "time": when}), "termination-time": when}


def block_devices(instance):
    devices = {"ami": instance.spec.image.root, "root": instance.spec.image.root}
    others = [v for v in instance.attachments.values() if v.device != instance.spec.image.root]
    devices.update({f"ebs{i + 1}": volume.device for i, volume in enumerate(others)})
    return devices


def interface(instance):
    nodes = {
        "device-number": "0", "interface-id": instance.interface, "local-hostname": instance.private_dns,
        "local-ipv4s": instance.private_address, "mac": instance.mac, "owner-id": ACCOUNT,
        "security-group-ids": "\n".join(g.id for g in instance.groups),
        "security-groups": "\n".join(g.name for g in instance.groups), "subnet-id": instance.subnet.id,
        "subnet-ipv4-cidr-block": instance.subnet.cidr, "vpc-id": instance.subnet.vpc.id,
        "vpc-ipv4-cidr-block": instance.subnet.vpc.cidr, "vpc-ipv4-cidr-blocks": instance.subnet.vpc.cidr,
    }
    if instance.has_public:
        nodes.update({"public-ipv4s": instance.public_address, "public-hostname": instance.public_dns,
                      "ipv4-associations": {instance.public_address: instance.private_address}})
    return nodes
