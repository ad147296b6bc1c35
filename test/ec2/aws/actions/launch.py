"""RunInstances."""
from . import action
from ..errors import ApiError, missing
from ..iam import ACCOUNT
from ..idempotency import once
from ..launching import choose_subnet, launch, quota, quota_error, reservation_shape
from ..specification import Specification
from ..templates import template_data


@action
def run_instances(call):
    params = dict(call.params)
    reference = params.pop("LaunchTemplate", None)
    least, most = params.pop("MinCount"), params.pop("MaxCount")
    require_permissions(call, params)
    return once(call, lambda: launch_reservation(call, params, reference, least, most))


def require_permissions(call, params):
    """What EC2 asks for besides the action's own."""
    if params.get("TagSpecifications"):
        call.require("ec2:CreateTags")
    if params.get("IamInstanceProfile"):
        call.require("iam:PassRole")
    if params.get("InstanceMarketOptions"):
        call.world.iam.require_spot_role(call.principal)


def launch_reservation(call, params, reference, least, most):
    world, region = call.world, call.region
    if least < 1 or most < least:
        raise ApiError("InvalidParameterValue", f"Invalid value '{most}' for maxCount. It must not be less than minCount, which "
                       "must be 1 at least.")
    if most > world.settings.max_count:
        raise ApiError("InstanceLimitExceeded", f"You have requested more instances ({most}) than your current instance limit of "
                       f"{world.settings.max_count} allows for the specified instance type. Please visit "
                       "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.")
    template = template_data(region, reference) if reference else None
    if not template and "ImageId" not in params:
        raise missing("ImageId")
    spec = Specification(world.iam, region, params, template)
    market = "spot" if spec.spot is not None else "on-demand"
    allowed = quota(world, region, market) // spec.type.vcpus
    if allowed < least:
        raise quota_error(market, spec.type.name)
    subnet, free = choose_subnet(world, region, spec, least)
    made = launch(world, region, spec, subnet, min(most, free, allowed))
    # The answer is always the one of the moment after the launch.
    return lambda: reservation_shape(ACCOUNT, made)
