"""What is to be launched: the parameters of RunInstances or of a launch template, checked as EC2 checks them."""
import base64
import binascii

from . import ids
from .errors import ApiError, bad_combination, bad_value, missing
from .tags import read_specifications

USER_DATA_LIMIT = 16384
TAGGABLE = {"instance", "volume", "network-interface", "spot-instances-request", "elastic-gpu"}
# Volume types: GiB from, GiB to, IOPS from, IOPS to (None: not to be set), throughput from, to.
VOLUMES = {
    "gp3": (1, 16384, 3000, 16000, 125, 1000),
    "gp2": (1, 16384, None, None, None, None),
    "io1": (4, 16384, 100, 64000, None, None),
    "io2": (4, 16384, 100, 64000, None, None),
    "st1": (125, 16384, None, None, None, None),
    "sc1": (125, 16384, None, None, None, None),
    "standard": (1, 1024, None, None, None, None),
}
# Parameters of a launch that this service does not carry out. It says so instead of doing as if.
NOT_HERE = ["ElasticGpuSpecification", "ElasticInferenceAccelerators", "KernelId", "RamdiskId", "LicenseSpecifications",
            "CapacityReservationSpecification", "PrivateDnsNameOptions", "MaintenanceOptions", "InstanceRequirements",
            "ElasticGpuSpecifications", "RamDiskId", "Ipv6Addresses", "Ipv6AddressCount", "AdditionalInfo", "DisableApiStop"]


class Specification:
    """subnets are those to choose from; groups are Group objects; tags are by type of resource; spot is None or the options."""

    def __init__(self, iam, region, params, template=None):
        merged = dict(template or {})
        merged.update(params)
        self.region = region
        unsupported = [name for name in NOT_HERE if merged.get(name) not in (None, False)]
        if unsupported:
            raise ApiError("Unsupported", f"The EC2 service for tests does not know {', '.join(unsupported)}.")
        self.type = self.read_type(merged)
        self.image = self.read_image(merged)
        self.user_data = read_user_data(merged.get("UserData"))
        self.key_name = self.read_key(merged)
        self.profile = read_profile(iam, merged.get("IamInstanceProfile"))
        self.tags = read_specifications(merged.get("TagSpecifications"), TAGGABLE)
        self.metadata_options = {k: v for k, v in merged.get("MetadataOptions", {}).items()}
        self.monitoring = merged.get("Monitoring", {}).get("Enabled", False)
        self.client_token = params.get("ClientToken", "")
        self.api_termination_disabled = merged.get("DisableApiTermination", False)
        self.read_market(merged)
        self.read_network(merged)
        self.check_type(merged)
        self.mappings = self.read_mappings(merged.get("BlockDeviceMappings", []))

    def read_type(self, merged):
        name = merged.get("InstanceType", "m1.small")
        if name not in self.region.types:
            if name == "m1.small":
                raise ApiError("Unsupported", "The requested configuration is currently not supported. Please check the "
                               "documentation for supported configurations.")
            raise ApiError("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.")
        return self.region.types[name]

    def read_image(self, merged):
        image_id = merged.get("ImageId")
        if not image_id:
            raise missing("ImageId")
        ids.check_ids("ami", [image_id], self.region.images)
        image = self.region.images[image_id]
        if image.pending:
            raise ApiError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is not available")
        if image.architecture != self.type.architecture:
            raise ApiError("InvalidParameterValue", f"The architecture '{self.type.architecture}' of the specified instance "
                           f"type does not match the architecture '{image.architecture}' of the specified AMI. Specify an "
                           "instance type and an AMI that have matching architectures, and try again. You can use "
                           "'describe-instance-types' or 'describe-images' to discover the architecture of the instance "
                           "type or AMI.")
        return image

    def read_key(self, merged):
        name = merged.get("KeyName")
        if name is not None and name not in self.region.key_pairs:
            raise ApiError("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")
        return name

    def read_market(self, merged):
        market = merged.get("InstanceMarketOptions")
        self.spot, self.max_price = None, None
        self.shutdown_behavior = merged.get("InstanceInitiatedShutdownBehavior")
        if market is None:
            self.shutdown_behavior = self.shutdown_behavior or "stop"
            return
        if market.get("MarketType") != "spot":
            raise missing("InstanceMarketOptions.MarketType")
        self.spot = market.get("SpotOptions", {})
        self.max_price = self.spot.get("MaxPrice")
        check_price(self.max_price, "maxPrice")
        once = self.spot.get("SpotInstanceType", "one-time") == "one-time"
        behavior = self.spot.get("InstanceInterruptionBehavior", "terminate")
        if once and behavior != "terminate":
            raise bad_combination(f"The request with type 'one-time' is not supported when instanceInterruptionBehavior is set"
                                  f" to '{behavior}'.")
        if once and "ValidUntil" in self.spot:
            raise bad_combination("The parameter validUntil cannot be specified when the SpotRequestType is set to 'one-time'.")
        if "BlockDurationMinutes" in self.spot:
            raise ApiError("UnsupportedOperation", "Spot instances with a defined duration are no longer available.")
        if self.shutdown_behavior == "stop" and once:
            raise bad_combination("instance_initiated_shutdown_behavior=stop is not supported for one-time spot instances.")
        if merged.get("HibernationOptions", {}).get("Configured"):
            raise bad_combination("Hibernation is not supported for one-time spot instances.")
        if self.api_termination_disabled:
            raise bad_combination("The parameter disableApiTermination is not supported for spot instances.")
        self.shutdown_behavior = "terminate"

    def read_network(self, merged):
        subnet_id, placement = merged.get("SubnetId"), merged.get("Placement", {})
        zone = placement.get("AvailabilityZone")
        group_ids, names = list(merged.get("SecurityGroupIds", [])), list(merged.get("SecurityGroups", []))
        self.public = None
        interfaces = merged.get("NetworkInterfaces")
        if interfaces:
            if subnet_id or group_ids or names:
                raise bad_combination("Network interfaces and an instance-level subnet ID or security groups may not be "
                                      "specified on the same request")
            subnet_id, group_ids = self.read_interface(interfaces)
        if subnet_id and names:
            raise bad_combination("The parameter groupName cannot be used with the parameter subnet")
        self.subnets = self.choose_subnets(subnet_id, zone)
        vpc = self.subnets[0].vpc
        self.groups = self.find_groups(group_ids, names, vpc)
        if self.public is None:
            self.public = self.subnets[0].default

    def read_interface(self, interfaces):
        if len(interfaces) != 1 or interfaces[0].get("DeviceIndex") != 0:
            raise bad_value(len(interfaces), "networkInterface", "The EC2 service for tests knows one, of device index 0.")
        interface = interfaces[0]
        self.public = interface.get("AssociatePublicIpAddress")
        surplus = set(interface) - {"DeviceIndex", "SubnetId", "Groups", "AssociatePublicIpAddress", "DeleteOnTermination",
                                    "Description", "InterfaceType"}
        if surplus:
            raise ApiError("Unsupported", f"The EC2 service for tests does not know {', '.join(sorted(surplus))}.")
        return interface.get("SubnetId"), list(interface.get("Groups", []))

    def choose_subnets(self, subnet_id, zone):
        region = self.region
        if zone is not None and zone not in region.zones:
            raise ApiError("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
        if subnet_id:
            ids.check_ids("subnet", [subnet_id], region.subnets)
            subnet = region.subnets[subnet_id]
            if zone not in (None, subnet.zone):
                raise bad_combination(f"The parameter availabilityZone ({zone}) is not the one of the subnet ({subnet.zone}).")
            subnets = [subnet]
        else:
            subnets = [s for s in region.subnets.values() if s.default and zone in (None, s.zone)]
            if not subnets:
                raise ApiError("VPCIdNotSpecified", "No default VPC for this user. GroupName is only supported for EC2-Classic "
                               "and default VPC.")
        offered = region.zones_of(self.type)
        usable = [s for s in subnets if s.zone in offered]
        if not usable:
            raise ApiError("Unsupported", f"Your requested instance type ({self.type.name}) is not supported in your requested "
                           f"Availability Zone ({subnets[0].zone}). Please retry your request by not specifying an "
                           f"Availability Zone or choosing {', '.join(offered)}.")
        return usable

    def find_groups(self, group_ids, names, vpc):
        groups = self.region.groups
        ids.check_ids("sg", group_ids, groups)
        found = [groups[group_id] for group_id in group_ids]
        for name in names:
            match = [g for g in groups.values() if g.vpc is vpc and name in (g.name, g.id)]
            if not match:
                raise ApiError("InvalidGroup.NotFound", f"The security group '{name}' does not exist in VPC '{vpc.id}'")
            found += match
        for group in found:
            if group.vpc is not vpc:
                raise ApiError("InvalidParameter", f"Security group {group.id} and subnet {self.subnets[0].id} belong to "
                               "different networks.")
        if len(set(found)) != len(found):
            raise ApiError("InvalidParameterValue", "Duplicate security groups")
        if len(found) > 5:
            raise ApiError("SecurityGroupsPerInterfaceLimitExceeded", "You have exceeded the maximum number of security groups "
                           "allowed per network interface.")
        return found or [g for g in groups.values() if g.vpc is vpc and g.name == "default"]

    def check_type(self, merged):
        """Features that a type does not have."""
        kind = self.type
        self.ebs_optimized = merged.get("EbsOptimized", kind.ebs_optimized == "default")
        if merged.get("EbsOptimized") and kind.ebs_optimized == "unsupported":
            raise ApiError("Unsupported", "EBS-optimized instances are not supported for your requested configuration. Please "
                           "check the documentation for supported configurations.")
        if self.image.virtualization != "hvm":
            raise bad_combination(f"The instance type '{kind.name}' does not support an AMI with a virtualization type of "
                                  f"'{self.image.virtualization}'. For more information, see instance types and "
                                  "virtualization types.")
        nitro_only = {"EnclaveOptions": "Enabled", "HibernationOptions": "Configured"}
        for name, switch in nitro_only.items():
            if merged.get(name, {}).get(switch):
                if kind.nitro and name == "EnclaveOptions" and kind.vcpus >= 4:
                    continue
                raise ApiError("UnsupportedOperation", f"{name} is not supported by the instance type {kind.name}.")
        if "CpuOptions" in merged and (not kind.current or kind.name.startswith("t2")):
            raise ApiError("InvalidParameterValue", f"CpuOptions is not supported by the instance type {kind.name}.")
        if "CreditSpecification" in merged and not kind.name.startswith("t"):
            raise ApiError("InvalidParameterCombination", f"The {kind.name} instance type does not support CreditSpecification.")
        if self.metadata_options.get("HttpProtocolIpv6") == "enabled" and not kind.nitro:
            raise ApiError("InvalidParameterCombination", f"HttpProtocolIpv6 is not supported by the instance type {kind.name}.")
        hops = self.metadata_options.get("HttpPutResponseHopLimit", 1)
        if not 1 <= hops <= 64:
            raise bad_value(hops, "HttpPutResponseHopLimit", "It must be between 1 and 64.")
        group = merged.get("Placement", {}).get("GroupName")
        if group:
            raise ApiError("InvalidPlacementGroup.Unknown", f"The Placement Group '{group}' is unknown.")

    def read_mappings(self, mappings):
        """The volumes that an instance gets: the image's root first, with what the request says of it."""
        image = self.image
        root = {"DeviceName": image.root, "Ebs": {"VolumeType": "gp2", "DeleteOnTermination": True, "VolumeSize": image.size,
                                                  "SnapshotId": image.snapshot}}
        result, seen = [root], set()
        for mapping in mappings:
            name = mapping.get("DeviceName")
            if not name:
                raise missing("BlockDeviceMapping.DeviceName")
            if name in seen:
                raise ApiError("InvalidBlockDeviceMapping", f"The device '{name}' is used in more than one block-device mapping")
            seen.add(name)
            if "NoDevice" in mapping or "VirtualName" in mapping:
                check_ephemeral(mapping, self.type)
                continue
            if "Ebs" not in mapping:
                raise missing(f"BlockDeviceMapping({name}).Ebs")
            if name == image.root:
                root["Ebs"].update(mapping["Ebs"])
                check_volume(name, root["Ebs"], image.size)
            else:
                result.append({"DeviceName": name, "Ebs": {"VolumeType": "gp2", "DeleteOnTermination": True, **mapping["Ebs"]}})
                check_volume(name, result[-1]["Ebs"], 0)
        if len(result) > self.type.max_volumes:
            raise ApiError("AttachmentLimitExceeded", f"{self.type.name} instances cannot have more than {self.type.max_volumes} "
                           "volumes attached.")
        return result

    def keeps(self, device):
        """Whether the volume outlives its instance."""
        return not next(m["Ebs"]["DeleteOnTermination"] for m in self.mappings if m["DeviceName"] == device)

    @property
    def size(self):
        """GiB of all volumes."""
        return sum(mapping["Ebs"]["VolumeSize"] for mapping in self.mappings)


def check_price(price, name):
    if price is not None:
        try:
            usable = float(price) > 0
        except ValueError:
            usable = False
        if not usable:
            raise bad_value(price, name, "The price must be a positive number.")


def read_user_data(text):
    if text is None:
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ApiError("InvalidParameterValue", "Invalid BASE64 encoding of user data") from None
    if len(data) > USER_DATA_LIMIT:
        raise ApiError("InvalidParameterValue", f"User data is limited to {USER_DATA_LIMIT} bytes")
    return text


def read_profile(iam, profile):
    if profile is None:
        return None
    if ("Arn" in profile) == ("Name" in profile):
        raise bad_combination("The parameters iamInstanceProfile.name and iamInstanceProfile.arn: exactly one must be given")
    name = profile.get("Name") or profile["Arn"].rpartition("/")[2]
    which = "name" if "Name" in profile else "arn"
    if name not in iam.profiles:
        raise bad_value(profile.get("Name", profile.get("Arn")), f"iamInstanceProfile.{which}",
                        f"Invalid IAM Instance Profile {which if which == 'name' else 'ARN'}")
    return name


def check_ephemeral(mapping, kind):
    if "Ebs" in mapping:
        raise ApiError("InvalidBlockDeviceMapping", f"The device '{mapping['DeviceName']}' has both a volume and a virtual name")
    virtual = mapping.get("VirtualName")
    if virtual is not None and not any(virtual == f"ephemeral{i}" for i in range(24)):
        raise ApiError("InvalidBlockDeviceMapping", f"Invalid virtual name '{virtual}'")
    if virtual is not None and kind.nvme:
        raise ApiError("InvalidBlockDeviceMapping", "NVMe instance store volumes are attached by themselves")


def check_volume(name, ebs, least):
    surplus = set(ebs) - {"DeleteOnTermination", "Iops", "SnapshotId", "VolumeSize", "VolumeType", "Throughput", "Encrypted"}
    if surplus:
        raise ApiError("InvalidParameterValue", f"The EC2 service for tests does not know {', '.join(sorted(surplus))} of a volume.")
    if "VolumeSize" not in ebs:
        raise ApiError("MissingParameter", f"The request must contain the parameter size or snapshotId ({name})")
    kind, size = ebs["VolumeType"], ebs["VolumeSize"]
    low, high, iops_low, iops_high, throughput_low, throughput_high = VOLUMES[kind]
    if not low <= size <= high:
        raise ApiError("InvalidParameterValue", f"Volume of {size}GiB is {'smaller' if size < low else 'larger'} than the "
                       f"{'minimum' if size < low else 'maximum'} of {low if size < low else high}GiB for volume type {kind}")
    if size < least:
        raise ApiError("InvalidBlockDeviceMapping", f"Volume of size {size}GB is smaller than snapshot '{ebs['SnapshotId']}', "
                       f"expect size >= {least}GB")
    check_performance(ebs, "Iops", kind, iops_low, iops_high)
    check_performance(ebs, "Throughput", kind, throughput_low, throughput_high)
    if kind in ("io1", "io2") and "Iops" not in ebs:
        raise ApiError("MissingParameter", f"The parameter iops must be specified for {kind} volumes.")
    if kind == "gp3":
        ebs.setdefault("Iops", 3000)
        ebs.setdefault("Throughput", 125)
        if ebs["Iops"] > max(3000, 500 * size) or ebs["Throughput"] > ebs["Iops"] / 4:
            raise ApiError("InvalidParameterCombination", "Iops to volume size ratio, or throughput to iops ratio, is too high")


def check_performance(ebs, what, kind, low, high):
    if what not in ebs:
        return
    if low is None:
        raise bad_combination(f"The parameter {what.lower()} is not supported for {kind} volumes.")
    if not low <= ebs[what] <= high:
        raise bad_value(ebs[what], what.lower(), f"It must be from {low} to {high} for {kind} volumes.")
