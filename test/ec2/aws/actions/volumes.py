"""DescribeVolumes."""
from . import action
from ..ids import check_ids
from ..paging import page, select

FILTERS = {
    "attachment.instance-id": lambda v: v.instance.id if v.instance else None, "volume-id": lambda v: v.id, "size": lambda v: v.ebs["VolumeSize"],
    "status": lambda v: "in-use" if v.instance else "available", "volume-type": lambda v: v.ebs["VolumeType"],
    "availability-zone": lambda v: v.zone, "attachment.device": lambda v: v.device if v.instance else None,
    "attachment.delete-on-termination": lambda v: "true" if v.ebs["DeleteOnTermination"] else "false",
}


@action
def describe_volumes(call):
    known, wanted = call.region.volumes, call.params.get("VolumeIds", [])
    check_ids("vol", wanted, known)
    volumes = [known[one] for one in wanted] if wanted else list(known.values())
    part, rest = page(call, select(call, volumes, FILTERS, lambda v: v.tags), ids="VolumeIds")
    return {"Volumes": [v.describe() for v in part], **rest}
