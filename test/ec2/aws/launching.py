"""Making instances: capacity, quotas, and what comes into being with each of them."""
import fnmatch

from .errors import ApiError
from .ids import new_id
from .instance import Instance, SpotRequest, Volume


def fits(rule, kind, zone, market):
    return all(fnmatch.fnmatchcase(value, rule.get(name, "*")) for name, value in
               (("type", kind), ("zone", zone), ("market", market)))


def free_capacity(world, kind, zone, market):
    """How many more instances of a pool there can be."""
    free = 1 << 30
    for rule in world.settings.capacity:
        if fits(rule, kind, zone, market):
            used = sum(1 for i in world.live() if fits(rule, i.spec.type.name, i.subnet.zone, i.market))
            free = min(free, rule["count"] - used)
    return max(0, free)


def quota(world, region, market):
    """How many more vCPUs the account may have."""
    limit = world.settings.spot_vcpu_limit if market == "spot" else world.settings.vcpu_limit
    return limit - sum(i.spec.type.vcpus for i in region.instances.values() if i.live and i.market == market)


def quota_error(market, kind):
    if market == "spot":
        return ApiError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    return ApiError("VcpuLimitExceeded", "You have requested more vCPU capacity than your current vCPU limit allows for the "
                    f"instance bucket that the specified instance type ({kind}) belongs to. Please visit "
                    "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.")


def capacity_error(region, spec, subnet):
    """The same code for a spot and an on-demand pool, with other words."""
    if spec.spot is not None:
        message = "There is no Spot capacity available that matches your request."
    else:
        others = [zone for zone in region.zones_of(spec.type) if zone != subnet.zone]
        message = (f"We currently do not have sufficient {spec.type.name} capacity in the Availability Zone you requested "
                   f"({subnet.zone}). Our system will be working on provisioning additional capacity. You can currently get "
                   f"{spec.type.name} capacity by not specifying an Availability Zone in your request or choosing "
                   f"{', '.join(others)}.")
    return ApiError("InsufficientInstanceCapacity", message, 500)


def price_error(spec, zone):
    """None, or that the price which the user set is too low."""
    lowest = spec.type.spot_price(zone)
    if spec.max_price is None or float(spec.max_price) >= lowest:
        return None
    return ApiError("SpotMaxPriceTooLow", f"Your Spot request price of {spec.max_price} is lower than the minimum required Spot "
                    f"request fulfillment price of {lowest}.")


def choose_subnet(world, region, spec, least):
    """Of the subnets that are possible, the first with room for at least so many; raises what EC2 says when none has."""
    error = None
    for subnet in spec.subnets:
        error = price_error(spec, subnet.zone) if spec.spot is not None else None
        if error is None:
            free = free_capacity(world, spec.type.name, subnet.zone, "spot" if spec.spot is not None else "on-demand")
            if free >= least:
                return subnet, free
            error = capacity_error(region, spec, subnet)
    raise error


def launch(world, region, spec, subnet, count, reservation=None):
    """Makes count instances; the caller has seen to it that they may be."""
    reservation = reservation or new_id("r")
    made = []
    for index in range(count):
        instance = Instance(world, region, spec, subnet, index, reservation)
        region.instances[instance.id] = instance
        add_volumes(region, instance)
        if spec.spot is not None:
            instance.spot_request = SpotRequest(region, instance, spec)
            region.spot_requests[instance.spot_request.id] = instance.spot_request
        made.append(instance)
        begin(world, region, instance)
    return made


def add_volumes(region, instance):
    for mapping in instance.spec.mappings:
        volume = Volume(region, instance, mapping, instance.spec.tags.get("volume", {}))
        region.volumes[volume.id] = volume
        instance.attachments[volume.id] = volume


def begin(world, region, instance):
    """The way to "running"; too many GiB of volumes show only after the launch."""
    settings = world.settings
    if sum(volume.ebs["VolumeSize"] for volume in region.volumes.values()) > settings.volume_gib_limit:
        instance.reason = "Client.VolumeLimitExceeded"
        instance.next = (world.now() + settings.pending, "terminated")
        return
    instance.next = (world.now() + settings.pending, "running")
    if world.host:
        world.host.start(instance)


def reservation_shape(owner, instances):
    """One reservation, with those of its instances that are asked for."""
    return {"ReservationId": instances[0].reservation, "OwnerId": owner, "Groups": [],
            "Instances": [instance.describe() for instance in instances]}
