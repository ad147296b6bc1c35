"""DescribeInstances, DescribeInstanceStatus, TerminateInstances, GetConsoleOutput."""
import base64

from . import action
from ..errors import ApiError, bad_combination
from ..iam import ACCOUNT
from ..ids import check_ids
from ..launching import reservation_shape
from ..paging import page, select

FILTERS = {
    "instance-id": lambda i: i.id, "instance-state-name": lambda i: i.state, "instance-type": lambda i: i.spec.type.name,
    "instance-state-code": lambda i: i.state_shape()["Code"], "availability-zone": lambda i: i.subnet.zone,
    "image-id": lambda i: i.spec.image.id, "subnet-id": lambda i: i.subnet.id, "vpc-id": lambda i: i.subnet.vpc.id,
    "reservation-id": lambda i: i.reservation, "client-token": lambda i: i.spec.client_token, "key-name": lambda i: i.spec.key_name,
    "private-ip-address": lambda i: i.private_address, "ip-address": lambda i: i.public_address if i.has_public else None,
    "instance-lifecycle": lambda i: "spot" if i.spot_request else None, "instance.group-id": lambda i: [g.id for g in i.groups],
    "instance.group-name": lambda i: [g.name for g in i.groups], "state-reason-code": lambda i: i.reason,
    "architecture": lambda i: i.spec.image.architecture, "dns-name": lambda i: i.public_dns,
    "spot-instance-request-id": lambda i: i.spot_request.id if i.spot_request else None,
    "network-interface.group-id": lambda i: [g.id for g in i.groups], "owner-id": lambda i: ACCOUNT,
}


def visible(call):
    now = call.world.now()
    for instance in list(call.region.instances.values()):
        if instance.ended is not None and not instance.visible(now):
            del call.region.instances[instance.id]
    return {i.id: i for i in call.region.instances.values() if i.visible(now)}


def chosen(call):
    """The instances that a request means by InstanceIds and Filters."""
    known, wanted = visible(call), call.params.get("InstanceIds", [])
    check_ids("i", wanted, known)
    instances = [known[one] for one in dict.fromkeys(wanted)] if wanted else list(known.values())
    return select(call, instances, FILTERS, lambda i: i.tags)


@action
def describe_instances(call):
    part, rest = page(call, chosen(call), ids="InstanceIds")
    reservations = {}
    for instance in part:
        reservations.setdefault(instance.reservation, []).append(instance)
    return {"Reservations": [reservation_shape(ACCOUNT, members) for members in reservations.values()], **rest}


@action
def describe_instance_status(call):
    everything = call.params.get("IncludeAllInstances", False)
    instances = [i for i in chosen(call) if everything or i.state == "running"]
    part, rest = page(call, instances, ids="InstanceIds")
    return {"InstanceStatuses": [status(call, i) for i in part], **rest}


def status(call, instance):
    """The checks pass two minutes after the launch, as they do."""
    if instance.state != "running":
        check = "not-applicable"
    else:
        check = "ok" if call.world.now() > instance.launched + 120 else "initializing"
    summary = {"Status": check}
    if check in ("ok", "initializing"):
        summary["Details"] = [{"Name": "reachability", "Status": "passed" if check == "ok" else "initializing"}]
    return {"InstanceId": instance.id, "AvailabilityZone": instance.subnet.zone, "InstanceState": instance.state_shape(),
            "InstanceStatus": summary, "SystemStatus": summary, "Events": []}


@action
def terminate_instances(call):
    """One id that is not there refuses all."""
    known, wanted = visible(call), call.params["InstanceIds"]
    if len(wanted) > 1000:
        raise ApiError("InvalidParameterValue", "Too many instance IDs: 1000 at most")
    check_ids("i", wanted, known)
    for one in wanted:
        if known[one].spec.api_termination_disabled:
            raise ApiError("OperationNotPermitted", f"The instance '{one}' may not be terminated. Modify its "
                           "'disableApiTermination' instance attribute and try again.")
    changes = []
    for one in dict.fromkeys(wanted):
        instance = known[one]
        before = instance.state_shape()
        instance.end("Client.UserInitiatedShutdown")
        changes.append({"InstanceId": one, "PreviousState": before, "CurrentState": instance.state_shape()})
    return {"TerminatingInstances": changes}


@action
def get_console_output(call):
    known, one = visible(call), call.params["InstanceId"]
    check_ids("i", [one], known)
    instance = known[one]
    if call.params.get("Latest") and not instance.spec.type.nitro:
        raise bad_combination("The latest console output is only supported for instances on the Nitro System.")
    text = instance.console if call.world.host is None else call.world.host.console(instance)
    output = {"InstanceId": one, "Timestamp": call.world.now()}
    if text:
        # EC2 keeps the last 64 KiB.
        output["Output"] = base64.b64encode(text.encode("utf-8", "replace")[-65536:]).decode()
    return output
