"""CreateFleet, of type instant."""
from . import action
from .launch import require_permissions as require_launch
from ..errors import ApiError, bad_combination, bad_value, missing
from ..idempotency import once
from ..ids import new_id
from ..launching import capacity_error, free_capacity, launch, price_error, quota, quota_error
from ..specification import Specification, check_price
from ..tags import read_specifications
from ..templates import find_template, template_data

STRATEGIES = ("lowest-price", "diversified", "capacity-optimized", "capacity-optimized-prioritized", "price-capacity-optimized")
# Several overrides of one pool, and what is not carried out here.
NOT_HERE = ("WeightedCapacity", "InstanceRequirements", "Placement", "ImageId", "Priority")
OVERRIDES_LIMIT = 300


class Pool:
    """One override: a type in a zone, and the specification of what is launched there."""

    def __init__(self, spec, subnet, market, override, reference):
        self.spec = spec
        self.subnet = subnet
        self.market = market
        self.override = override
        self.reference = reference

    @property
    def price(self):
        return self.spec.type.spot_price(self.subnet.zone) if self.market == "spot" else self.spec.type.price

    @property
    def key(self):
        return self.spec.type.name, self.subnet.zone

    def shape(self):
        return {"LaunchTemplateSpecification": self.reference, "Overrides": self.override}


def require_permissions(call):
    call.require("ec2:RunInstances")
    for config in call.params["LaunchTemplateConfigs"]:
        reference = config.get("LaunchTemplateSpecification", {})
        require_launch(call, template_data(call.region, reference))
    if call.params.get("TagSpecifications"):
        call.require("ec2:CreateTags")
    target = call.params["TargetCapacitySpecification"]
    if target.get("DefaultTargetCapacityType", "on-demand") == "spot" or target.get("SpotTargetCapacity"):
        call.world.iam.require_spot_role(call.principal)


@action
def create_fleet(call):
    params = call.params
    if params.get("Type", "maintain") != "instant":
        raise ApiError("Unsupported", "The EC2 service for tests knows fleets of type instant only.")
    for name in ("TerminateInstancesWithExpiration", "ReplaceUnhealthyInstances", "ValidFrom", "ValidUntil", "Context"):
        if params.get(name):
            raise bad_combination(f"The parameter {name} is not supported for fleets of type instant.")
    behavior = params.get("ExcessCapacityTerminationPolicy")
    if behavior is not None:
        raise bad_combination("The parameter ExcessCapacityTerminationPolicy is only for fleets of type maintain.")
    require_permissions(call)
    return once(call, lambda: launch_fleet(call))


def read_target(params):
    """How many of each market."""
    target = params["TargetCapacitySpecification"]
    total = target["TotalTargetCapacity"]
    spot, demand = target.get("SpotTargetCapacity", 0), target.get("OnDemandTargetCapacity", 0)
    if "TargetCapacityUnitType" in target:
        raise bad_combination("TargetCapacityUnitType needs InstanceRequirements")
    if total < 1 or total > 10000 or spot + demand > total:
        raise bad_value(total, "TotalTargetCapacity")
    default = target.get("DefaultTargetCapacityType")
    if spot + demand < total and default not in ("spot", "on-demand"):
        raise missing("TargetCapacitySpecification.DefaultTargetCapacityType")
    if default == "spot":
        spot = total - demand
    elif default == "on-demand":
        demand = total - spot
    return {"spot": spot, "on-demand": demand}


def launch_fleet(call):
    params = call.params
    strategy = params.get("SpotOptions", {}).get("AllocationStrategy", "lowest-price")
    if strategy not in STRATEGIES:
        raise bad_value(strategy, "AllocationStrategy")
    wanted = read_target(params)
    tags = read_specifications(params.get("TagSpecifications"), {"fleet", "instance"})
    fleet_id = "fleet-" + new_id("")[1:]
    errors, groups, made = [], [], []
    # A launch that cannot be at all is an error of the request, before anything is launched.
    pools = {market: read_pools(call, market, tags) for market in wanted if wanted[market]}
    for market, count in wanted.items():
        if count:
            made += fill(call, pools[market], market, count, errors, groups)
    least = params.get("SpotOptions", {}).get("MinTargetCapacity")
    if least is not None and len([i for i in made if i.market == "spot"]) < least:
        undo(call.region, made)
        groups = []
        errors.append({"ErrorCode": "UnfulfillableCapacity", "Lifecycle": "spot",
                       "ErrorMessage": "Unable to fulfill the minimum target capacity"})
    for instance in made:
        instance.fleet = fleet_id
        instance.tags["aws:ec2:fleet-id"] = fleet_id
    call.region.fleets[fleet_id] = tags.get("fleet", {})
    answer = {"FleetId": fleet_id, "Errors": errors, "Instances": groups}
    return lambda: answer


def undo(region, made):
    """As if they had never been."""
    for instance in made:
        del region.instances[instance.id]
        for volume in instance.attachments.values():
            region.volumes.pop(volume.id, None)
        if instance.spot_request:
            region.spot_requests.pop(instance.spot_request.id, None)


def read_pools(call, market, tags):
    """Every pool that the request names; those that cannot be are None with their error."""
    pools, seen = [], set()
    configs = call.params["LaunchTemplateConfigs"]
    if sum(len(config.get("Overrides", [])) for config in configs) > OVERRIDES_LIMIT:
        raise ApiError("InvalidFleetConfig", f"More than {OVERRIDES_LIMIT} overrides")
    for config in configs:
        reference = config.get("LaunchTemplateSpecification")
        if not reference:
            raise missing("LaunchTemplateConfigs.LaunchTemplateSpecification")
        if "Version" not in reference:
            raise missing("LaunchTemplateConfigs.LaunchTemplateSpecification.Version")
        template = find_template(call.region, reference.get("LaunchTemplateId"), reference.get("LaunchTemplateName"))
        told = {"LaunchTemplateId": template.id, "Version": reference["Version"].replace("$Latest", "1").replace("$Default", "1")}
        for override in config.get("Overrides") or [{}]:
            pool = read_pool(call, market, tags, template_data(call.region, reference), override, told)
            key = pool.key if isinstance(pool, Pool) else None
            if key in seen:
                raise ApiError("InvalidFleetConfig", f"The fleet configuration contains duplicate instance pools: {key}")
            seen.add(key) if key else None
            pools.append(pool)
    return pools


def read_pool(call, market, tags, template, override, reference):
    surplus = [name for name in NOT_HERE if name in override]
    if surplus:
        raise ApiError("Unsupported", f"The EC2 service for tests does not know {', '.join(surplus)} of an override.")
    if "SubnetId" in override and "AvailabilityZone" in override:
        raise bad_combination("An override can have a subnet or an availability zone, not both")
    check_price(override.get("MaxPrice"), "MaxPrice")
    if "InstanceMarketOptions" in template:
        raise bad_combination("Incompatible launch template: it has instance market options, which are for the fleet to say.")
    if template.get("InstanceInitiatedShutdownBehavior") and market == "spot":
        raise bad_combination("Incompatible launch template: InstanceInitiatedShutdownBehavior is not supported for spot.")
    if template.get("NetworkInterfaces") and "SubnetId" in override and template.get("SecurityGroupIds"):
        raise bad_combination("Network interfaces and an instance-level security groups may not be specified together")
    data = fleet_data(template, override, market, tags)
    try:
        spec = Specification(call.world.iam, call.region, data)
    except ApiError as error:
        if error.code not in ("Unsupported",):
            raise
        return {"LaunchTemplateAndOverrides": {"LaunchTemplateSpecification": reference, "Overrides": override},
                "Lifecycle": market, "ErrorCode": "InvalidFleetConfiguration", "ErrorMessage": error.message}
    return Pool(spec, spec.subnets[0], market, {**override, "InstanceType": spec.type.name,
                                                **({} if "SubnetId" in override else {"AvailabilityZone": spec.subnets[0].zone})},
                reference)


def fleet_data(template, override, market, tags):
    """What a launch of the template with an override would say."""
    data = {k: v for k, v in template.items()}
    if "InstanceType" in override:
        data["InstanceType"] = override["InstanceType"]
    if "AvailabilityZone" in override:
        data["Placement"] = {**template.get("Placement", {}), "AvailabilityZone": override["AvailabilityZone"]}
    if "SubnetId" in override:
        if template.get("NetworkInterfaces"):
            data["NetworkInterfaces"] = [{**template["NetworkInterfaces"][0], "SubnetId": override["SubnetId"]}]
        else:
            data["SubnetId"] = override["SubnetId"]
    if market == "spot":
        options = {"SpotInstanceType": "one-time"}
        if "MaxPrice" in override:
            options["MaxPrice"] = override["MaxPrice"]
        data["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": options}
    if "instance" in tags:
        merged = {}
        for specification in template.get("TagSpecifications", []):
            merged[specification["ResourceType"]] = list(specification["Tags"])
        own = {pair["Key"]: pair["Value"] for pair in merged.get("instance", [])}
        merged["instance"] = [{"Key": k, "Value": v} for k, v in {**own, **tags["instance"]}.items()]
        data["TagSpecifications"] = [{"ResourceType": kind, "Tags": pairs} for kind, pairs in merged.items()]
    return data


def fill(call, pools, market, count, errors, groups):
    """Launches up to count instances, the cheapest pool first; says of each pool that fell short."""
    errors += [pool for pool in pools if not isinstance(pool, Pool)]
    made = []
    for pool in sorted((p for p in pools if isinstance(p, Pool)), key=lambda p: p.price):
        left = count - len(made)
        if left == 0:
            break
        number, error = possible(call, pool, market, left)
        if error:
            errors.append({"LaunchTemplateAndOverrides": pool.shape(), "Lifecycle": market, "ErrorCode": error.code,
                           "ErrorMessage": error.message})
        if number:
            instances = launch(call.world, call.region, pool.spec, pool.subnet, number)
            made += instances
            groups.append({"LaunchTemplateAndOverrides": pool.shape(), "Lifecycle": market, "InstanceType": pool.spec.type.name,
                           "InstanceIds": [i.id for i in instances]})
    return made


def possible(call, pool, market, wanted):
    """How many of the wanted instances a pool can give, and the error that says why not all, or None."""
    if market == "spot":
        error = price_error(pool.spec, pool.subnet.zone)
        if error:
            return 0, error
    allowed = max(0, quota(call.world, call.region, market) // pool.spec.type.vcpus)
    free = free_capacity(call.world, pool.spec.type.name, pool.subnet.zone, market)
    number = min(wanted, allowed, free)
    if number == wanted:
        return number, None
    return number, quota_error(market, pool.spec.type.name) if allowed < free else capacity_error(call.region, pool.spec, pool.subnet)
