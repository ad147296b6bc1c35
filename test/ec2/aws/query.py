"""A request of the Query API, from its signature to its answer: EC2's actions, and those of STS and IAM."""
import secrets
import time
import urllib.parse
import uuid

from . import account, model, signature, sts
from .actions import ACTIONS, Call
from .actions import fleet, groups, images, instances, launch, network, spot, tags, templates, types, volumes
from .errors import ApiError, auth_failure

MODULES = (fleet, groups, images, instances, launch, network, spot, tags, templates, types, volumes)
VERSIONS = {"2016-11-15": "ec2", "2011-06-15": "sts", "2010-05-08": "iam"}
OTHERS = {"sts": sts.ACTIONS, "iam": account.ACTIONS}


class Answer:
    """cut: how the connection ends early, see faults.py."""

    def __init__(self, status, body, content_type="text/xml;charset=UTF-8", headers=None, cut=None):
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers or {}
        self.cut = cut


class Request:
    """What came in; headers have names in lower case."""

    def __init__(self, method, target, headers, body, peer):
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.peer = peer
        self.path, _, self.query = target.partition("?")

    def pairs(self):
        """Names and values of query and body."""
        text = self.query if self.method == "GET" else self.body.decode("utf-8", "replace")
        try:
            return urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
        except ValueError:
            raise ApiError("MalformedQueryString", "The query string contains a syntax error.") from None


def answer(world, request):
    """Carries out one request and writes its line of the log."""
    scope = signature.read_scope(request.headers)
    request_id = str(uuid.UUID(bytes=secrets.token_bytes(16)))
    entry = {"request_id": request_id, "peer": "%s:%d" % request.peer, "agent": request.headers.get("user-agent", ""),
             "region": scope.region if scope else None, "action": None}
    service, began = model.service("ec2"), time.monotonic()
    try:
        pairs = request.pairs()
        wire = dict(pairs)
        entry.update(action=wire.get("Action"), wire=wire)
        name = (scope.service if scope else None) or VERSIONS.get(wire.get("Version"), "ec2")
        if name not in VERSIONS.values():
            raise signature.refuse(f"signed for the service {name}")
        service = model.service(name)
        fault = world.faults.find(wire.get("Action", ""), entry["region"], wire)
        entry["fault"] = {k: v for k, v in fault.items() if k != "seen"} or None
        result = faulty(world, fault) or carry_out(world, service, request, pairs, wire, entry, request_id)
    except ApiError as error:
        fault, result = {}, Answer(error.status, model.serialise_error(service, error, request_id))
        entry.update(code=error.code, message=error.message, why=getattr(error, "why", None))
    entry.update(status=result.status, cut=result.cut or fault.get("cut"), seconds=round(time.monotonic() - began, 4))
    world.write_log(**entry)
    return after(world, fault, result)


def faulty(world, fault):
    """What comes before the action: None, or the answer in its place."""
    time.sleep(fault.get("delay", 0))
    if "hold" in fault:
        world.faults.hold(fault["hold"])
    if fault.get("cut") == "before":
        return Answer(0, b"", cut="before")
    if "error" in fault:
        error = fault["error"]
        raise ApiError(error["code"], error.get("message", "A fault that a test has set."), error.get("status", 400))
    if "body" in fault:
        return Answer(fault.get("status", 200), fault["body"].encode(), fault.get("type", "text/xml"))
    return None


def after(world, fault, result):
    if "hold_answer" in fault:
        world.faults.hold(fault["hold_answer"])
    time.sleep(fault.get("late", 0))
    if fault.get("cut") in ("after", "middle"):
        result.cut = fault["cut"]
    return result


def carry_out(world, service, request, pairs, wire, entry, request_id):
    principal = None
    if not (service.ec2 is False and wire.get("Action") in sts.UNSIGNED):
        url = "http://" + request.headers.get("host", "") + request.target
        scope, principal = signature.verify(request.method, url, request.headers, request.body, world.iam.find, world.now())
        entry["principal"] = principal.arn
    if VERSIONS.get(wire.get("Version")) != service.model.service_name:
        raise ApiError("NoSuchVersion", f"The requested version ({wire.get('Version')}) is not a valid version.")
    if "Action" not in wire:
        raise ApiError("MissingAction", "The request is missing an action or a required parameter.")
    operation = service.operation(wire["Action"])
    params = service.parse(operation, pairs)
    if service.ec2:
        result = ec2_action(world, scope.region, operation, params, principal, entry)
    else:
        with world.lock:
            result = other_action(service.model.service_name, operation.name)(world, params, principal)
    return Answer(200, model.serialise(service, operation, result, request_id), headers={"x-amzn-RequestId": request_id})


def other_action(service_name, name):
    if name not in OTHERS[service_name]:
        raise ApiError("InvalidAction", f"The EC2 service for tests does not know {name}.")
    return OTHERS[service_name][name]


def ec2_action(world, region_name, operation, params, principal, entry):
    name = operation.name
    with world.lock:
        if region_name not in world.regions:
            raise signature.refuse(f"no such region: {region_name}", auth_failure())
        if name not in ACTIONS:
            raise ApiError("UnsupportedOperation", f"The EC2 service for tests does not know {name}.")
        if world.throttle and not world.throttle.take(name, world.now()):
            raise ApiError("RequestLimitExceeded", "Request limit exceeded.", 503)
        call = Call(world, world.regions[region_name], name, params, principal)
        world.settle()
        call.require("ec2:" + name)
        if params.pop("DryRun", False):
            dry_run(call)
        try:
            return ACTIONS[name](call)
        finally:
            world.settle()
            if call.note:
                entry["note"] = call.note


def dry_run(call):
    """Answers whether the permissions suffice, and looks at nothing else."""
    if call.action == "RunInstances":
        launch.require_permissions(call, call.params)
    elif call.action == "CreateFleet":
        fleet.require_permissions(call)
    raise ApiError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
