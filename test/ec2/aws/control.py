"""How tests steer the service: /_control/NAME, with JSON in and out. ../README.md lists what there is."""
import json

from .iam import ACCOUNT
from .query import Answer

PREFIX = "/_control/"


def answer(world, request):
    """None when the path is no control's."""
    if not request.path.startswith(PREFIX):
        return None
    function = CONTROLS.get(request.path[len(PREFIX):])
    try:
        if function is None:
            raise ValueError(f"no such control; there are {', '.join(sorted(CONTROLS))}")
        values = json.loads(request.body or b"{}")
        result = function(world, values)
    except (ValueError, KeyError, TypeError) as error:
        return Answer(400, (json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n").encode(), "application/json")
    return Answer(200, (json.dumps(result if result is not None else {}) + "\n").encode(), "application/json")


def locked(function):
    def call(world, values):
        with world.lock:
            return function(world, values)
    return call


@locked
def state(world, values):
    world.settle()
    return world.dump()


@locked
def policy(world, values):
    for name, value in values.items():
        if name not in ("allowed", "roles", "profiles", "service_linked_role"):
            raise ValueError(f"no such part of the policy: {name}")
        setattr(world.iam, name, value)


@locked
def credentials(world, values):
    """New temporary ones, and who they are."""
    arn = values.get("arn", f"arn:aws:sts::{ACCOUNT}:assumed-role/test/test")
    principal = world.iam.temporary(arn, world.now() + values.get("seconds", 3600), values.get("allowed"))
    return {"access_key": principal.access_key, "secret_key": principal.secret_key, "session_token": principal.session_token,
            "expires": principal.expires}


def instance_of(world, values):
    instance = world.find_instance(values["instance"])
    if instance is None:
        raise ValueError(f"no such instance: {values['instance']}")
    instance.settle()
    return instance


@locked
def interrupt(world, values):
    """The notice appears now, the instance goes after so many seconds."""
    instance = instance_of(world, values)
    if not instance.spot_request:
        raise ValueError("it is no spot instance")
    when = world.now() + values.get("after", 120)
    instance.interruption = (world.now(), when)
    instance.rebalance = instance.rebalance or world.now()
    instance.spot_request.status = ("marked-for-termination", "Your Spot instance is marked for termination.")
    world.ends[instance.id] = (when, "Server.SpotInstanceTermination")


@locked
def rebalance(world, values):
    instance_of(world, values).rebalance = world.now()


@locked
def poweroff(world, values):
    """As the instance itself does it."""
    instance_of(world, values).power_off()


@locked
def lose(world, values):
    """The host of the instance breaks: it is gone without an orderly end."""
    instance = instance_of(world, values)
    if world.host:
        world.host.lose(instance)
    instance.end(values.get("reason", "Server.InternalError"), after=0)


@locked
def console(world, values):
    instance_of(world, values).console = values["text"]


@locked
def addresses(world, values):
    """What one instance says of its addresses."""
    instance = instance_of(world, values)
    for name, attribute in (("dns", "public_dns"), ("public", "public_address"), ("private", "private_address")):
        if name in values:
            setattr(instance, attribute, values[name])


@locked
def metadata(world, values):
    """The instance that everybody is who has no instance's address."""
    world.metadata_self = values["self"]


@locked
def sso(world, values):
    world.sso_tokens[values["token"]] = world.now() + values.get("seconds", 3600)


@locked
def sso_client(world, values):
    """Who may renew a token, and with what."""
    world.sso_clients[values["id"]] = {"secret": values["secret"], "refresh": values["refresh"]}


@locked
def container(world, values):
    world.container_token = values["token"]


@locked
def advance(world, values):
    world.offset += values["seconds"]


@locked
def log(world, values):
    """What was asked, from a sequence number on."""
    with open(world.log.name, encoding="utf-8") as file:
        entries = [json.loads(line) for line in file]
    return [entry for entry in entries if entry["sequence"] > values.get("after", 0)]


@locked
def key_pair(world, values):
    world.regions[values.get("region", "us-west-2")].key_pairs[values["name"]] = "key-" + values["name"]


CONTROLS = {
    "settings": locked(lambda world, values: world.change(values)),
    "faults": lambda world, values: world.faults.set(values),
    "release": lambda world, values: world.faults.release(values["name"]),
    "held": lambda world, values: {"held": world.faults.wait_held(values["name"], values.get("count", 1),
                                                                  values.get("seconds", 10))},
    "reset": locked(lambda world, values: world.reset()),
    "state": state, "log": log, "policy": policy, "credentials": credentials, "interrupt": interrupt, "rebalance": rebalance,
    "poweroff": poweroff, "lose": lose, "console": console, "addresses": addresses, "metadata": metadata, "sso": sso,
    "sso-client": sso_client, "container": container, "advance": advance, "key-pair": key_pair,
}
