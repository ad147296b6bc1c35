"""Spot requests."""
from . import action
from ..errors import ApiError
from ..ids import check_ids
from ..paging import page, select

FILTERS = {
    "state": lambda s: s.state, "spot-instance-request-id": lambda s: s.id, "instance-id": lambda s: s.instance.id,
    "status-code": lambda s: s.status[0], "type": lambda s: s.type, "launched-availability-zone": lambda s: s.instance.subnet.zone,
    "launch.instance-type": lambda s: s.instance.spec.type.name,
}


def chosen(call):
    known, wanted = call.region.spot_requests, call.params.get("SpotInstanceRequestIds", [])
    check_ids("sir", wanted, known)
    return [known[one] for one in wanted] if wanted else list(known.values())


@action
def describe_spot_instance_requests(call):
    part, rest = page(call, select(call, chosen(call), FILTERS, lambda s: s.tags), ids="SpotInstanceRequestIds")
    return {"SpotInstanceRequests": [s.describe() for s in part], **rest}


@action
def cancel_spot_instance_requests(call):
    """The instances go on."""
    if not call.params["SpotInstanceRequestIds"]:
        raise ApiError("MissingParameter", "The request must contain the parameter SpotInstanceRequestId")
    return {"CancelledSpotInstanceRequests": [{"SpotInstanceRequestId": s.id, "State": s.cancel()} for s in chosen(call)]}
