"""DescribeImages."""
from . import action
from ..catalog import AMAZON
from ..iam import ACCOUNT
from ..ids import check_ids
from ..paging import page, select

FILTERS = {
    "architecture": lambda i: i.architecture, "name": lambda i: i.name, "image-id": lambda i: i.id, "owner-id": lambda i: i.owner,
    "owner-alias": lambda i: "amazon" if i.owner == AMAZON else None, "virtualization-type": lambda i: i.virtualization,
    "state": lambda i: i.describe()["State"], "root-device-type": lambda i: "ebs", "is-public": lambda i: "true",
    "image-type": lambda i: "machine", "hypervisor": lambda i: "xen", "root-device-name": lambda i: i.root,
    "description": lambda i: i.name, "creation-date": lambda i: i.describe()["CreationDate"], "platform": lambda i: None,
    "block-device-mapping.volume-type": lambda i: "gp2", "ena-support": lambda i: "true",
}
ALIASES = {"self": ACCOUNT, "amazon": AMAZON}


@action
def describe_images(call):
    known, wanted = call.region.images, call.params.get("ImageIds", [])
    check_ids("ami", wanted, known)
    images = [known[one] for one in wanted] if wanted else list(known.values())
    owners = {ALIASES.get(owner, owner) for owner in call.params.get("Owners", [])}
    images = [i for i in images if not owners or i.owner in owners]
    # In no order that a client may rely on.
    images = sorted(select(call, images, FILTERS), key=lambda i: i.id)
    part, rest = page(call, images, low=1, ids="ImageIds")
    return {"Images": [i.describe() for i in part], **rest}
