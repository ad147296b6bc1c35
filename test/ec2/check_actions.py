"""EC2's actions: what they do, and what they refuse."""
import base64

from harness import eventually, refused

SPOT = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}


def spot(**options):
    return {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time", **options}}


def volumes(*sizes, kind="gp3", **more):
    return [{"DeviceName": "/dev/xvda" if i == 0 else f"/dev/xvdb{chr(96 + i)}", "Ebs": {
        "VolumeSize": size, "VolumeType": kind, **more}} for i, size in enumerate(sizes)]


def tags(kind, **pairs):
    return {"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in pairs.items()]}


def ids(instances):
    return [instance["InstanceId"] for instance in instances]


def described(service, **params):
    return [i for r in service.client().describe_instances(**params)["Reservations"] for i in r["Instances"]]


def test_a_launch_says_all_that_it_was_told(service):
    made = service.run(MaxCount=2, MinCount=2, InstanceMarketOptions=SPOT, KeyName="test-key", UserData="hello",
                       BlockDeviceMappings=volumes(50, 16), IamInstanceProfile={"Name": "worker"},
                       MetadataOptions={"HttpTokens": "required"},
                       TagSpecifications=[tags("instance", Name="n"), tags("volume", Name="v")])
    assert [i["State"]["Name"] for i in made] == ["pending"] * 2
    first = described(service, InstanceIds=ids(made))[0]
    assert first["State"]["Name"] == "running" and first["PublicIpAddress"].startswith("127.77.")
    assert first["MetadataOptions"]["HttpTokens"] == "required" and first["KeyName"] == "test-key"
    assert first["IamInstanceProfile"]["Arn"].endswith("/worker") and first["InstanceLifecycle"] == "spot"
    found = service.client().describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [first["InstanceId"]]}])
    assert sorted(v["Size"] for v in found["Volumes"]) == [16, 50]
    assert {t["Value"] for v in found["Volumes"] for t in v["Tags"]} == {"v"}


def test_pending_takes_its_time(service):
    service.control("settings", {"pending": 3600, "shutting_down": 3600})
    one = service.run()[0]["InstanceId"]
    assert described(service)[0]["State"]["Name"] == "pending"
    assert "PublicIpAddress" not in described(service)[0]
    service.control("advance", {"seconds": 3601})
    # The signature's date is another clock's: ask the service itself.
    assert service.state()["instances"][0]["state"] == "running"
    service.control("advance", {"seconds": -3601})
    service.client().terminate_instances(InstanceIds=[one])
    assert described(service)[0]["State"]["Name"] == "shutting-down"
    assert described(service)[0]["StateReason"]["Code"] == "Client.UserInitiatedShutdown"


def test_a_fresh_instance_is_not_found(service):
    service.control("settings", {"invisible": 3600})
    one = service.run()[0]["InstanceId"]
    for act in (service.client().describe_instances, service.client().terminate_instances):
        with refused("InvalidInstanceID.NotFound", one):
            act(InstanceIds=[one])
    assert described(service) == []
    service.control("settings", {"invisible": 0})
    assert described(service, InstanceIds=[one])


def test_one_bad_id_refuses_a_termination(service):
    good = ids(service.run())
    with refused("InvalidInstanceID.NotFound", "i-12345678901234567"):
        service.client().terminate_instances(InstanceIds=good + ["i-12345678901234567"])
    with refused("InvalidInstanceID.Malformed"):
        service.client().terminate_instances(InstanceIds=good + ["nonsense"])
    assert service.state()["instances"][0]["state"] == "running"
    service.client().terminate_instances(InstanceIds=good)
    service.client().terminate_instances(InstanceIds=good)


def test_terminated_instances_are_listed_for_a_time(service):
    one = ids(service.run())
    service.client().terminate_instances(InstanceIds=one)
    assert eventually(lambda: described(service)[0]["State"]["Name"] == "terminated")
    assert service.state()["volumes"] == []
    service.control("settings", {"terminated_listed": 0})
    assert described(service) == []
    with refused("InvalidInstanceID.NotFound"):
        service.client().terminate_instances(InstanceIds=one)


def test_a_volume_may_outlive_its_instance(service):
    one = ids(service.run(BlockDeviceMappings=volumes(8, 10, DeleteOnTermination=False)))
    service.client().terminate_instances(InstanceIds=one)
    eventually(lambda: service.state()["instances"][0]["state"] == "terminated")
    assert [v["instance"] for v in service.state()["volumes"]] == [None, None]


def test_a_client_token_launches_once(service):
    first = ids(service.run(ClientToken="t"))
    assert ids(service.run(ClientToken="t")) == first
    assert service.log("RunInstances")[-1]["note"] == "repeated"
    with refused("IdempotentParameterMismatch"):
        service.run(ClientToken="t", MaxCount=2)
    assert len(service.state()["instances"]) == 1


def test_pages_hold_several_reservations(service):
    made = [service.run()[0]["InstanceId"] for _ in range(7)]
    first = service.client().describe_instances(MaxResults=5)
    assert len(first["Reservations"]) == 5
    rest = service.client().describe_instances(MaxResults=5, NextToken=first["NextToken"])
    assert len(rest["Reservations"]) == 2 and "NextToken" not in rest
    with refused("InvalidParameterCombination"):
        service.client().describe_instances(MaxResults=5, InstanceIds=made)
    with refused("InvalidPaginationToken"):
        service.client().describe_instances(NextToken="nonsense")
    service.control("settings", {"page_size": 3})
    assert "NextToken" in service.client().describe_instances()
    found = service.client().get_paginator("describe_instances").paginate().search("Reservations[].Instances[].InstanceId")
    assert list(found) == made


def test_filters_select(service):
    service.run(TagSpecifications=[tags("instance", bigm="1")])
    service.run(InstanceType="c5.large")

    def count(name, *values):
        return len(described(service, Filters=[{"Name": name, "Values": list(values)}]))
    assert count("tag:bigm", "1") == 1 and count("tag-key", "bigm") == 1 and count("tag:bigm", "2") == 0
    assert count("instance-type", "c5.*", "m?.large") == 2 and count("instance-state-name", "running") == 2
    with refused("InvalidParameterValue", "nonsense"):
        count("nonsense", "x")


def test_capacity_runs_out_by_pool(service):
    service.control("settings", {"capacity": [{"type": "m5.large", "market": "spot", "count": 3},
                                              {"zone": "us-west-2b", "count": 0}]})
    assert len(service.run(MaxCount=2, InstanceMarketOptions={"MarketType": "spot"})) == 2
    assert len(service.run(MaxCount=5, InstanceMarketOptions=SPOT)) == 1
    with refused("InsufficientInstanceCapacity", "Spot") as refusal:
        service.run(InstanceMarketOptions=SPOT)
    assert refusal.status == 500
    with refused("InsufficientInstanceCapacity", "us-west-2b"):
        service.run(Placement={"AvailabilityZone": "us-west-2b"})
    service.run(MaxCount=5)


def test_quotas_hold(service):
    service.control("settings", {"vcpu_limit": 4, "spot_vcpu_limit": 2, "max_count": 10})
    with refused("VcpuLimitExceeded"):
        service.run(MinCount=3, MaxCount=3)
    with refused("MaxSpotInstanceCountExceeded"):
        service.run(MinCount=2, MaxCount=2, InstanceMarketOptions=SPOT)
    with refused("InstanceLimitExceeded"):
        service.run(MaxCount=11)
    service.control("settings", {"volume_gib_limit": 10})
    service.run(BlockDeviceMappings=volumes(20))
    eventually(lambda: service.state()["instances"][0]["state"] == "terminated")
    assert described(service)[0]["StateReason"]["Code"] == "Client.VolumeLimitExceeded"


def test_a_price_may_be_too_low(service):
    with refused("SpotMaxPriceTooLow"):
        service.run(InstanceMarketOptions=spot(MaxPrice="0.001"))
    with refused("InvalidParameterValue"):
        service.run(InstanceMarketOptions=spot(MaxPrice="cheap"))
    service.run(InstanceMarketOptions=spot(MaxPrice="0.2"))


def test_names_that_do_not_exist_are_refused(service):
    for code, params in (
            ("InvalidAMIID.NotFound", {"ImageId": "ami-12345678"}), ("InvalidAMIID.Malformed", {"ImageId": "debian"}),
            ("InvalidParameterValue", {"InstanceType": "m5.gigantic"}), ("InvalidKeyPair.NotFound", {"KeyName": "nobodys"}),
            ("InvalidSubnetID.NotFound", {"SubnetId": "subnet-12345678"}), ("InvalidGroup.NotFound", {"SecurityGroupIds": ["sg-12345678"]}),
            ("InvalidGroup.NotFound", {"SecurityGroups": ["nobodys"]}), ("InvalidParameterValue", {"IamInstanceProfile": {"Name": "x"}}),
            ("InvalidParameterValue", {"Placement": {"AvailabilityZone": "us-west-2z"}}),
            ("InvalidLaunchTemplateId.NotFound", {"LaunchTemplate": {"LaunchTemplateId": "lt-12345678"}})):
        with refused(code):
            service.run(**params)


def test_combinations_that_ec2_refuses(service):
    zone = {"AvailabilityZone": "us-west-2d"}
    for code, params in (
            ("InvalidParameterValue", {"ImageId": service.image("arm64")}), ("InvalidParameterValue", {"UserData": "x" * 16385}),
            ("InvalidParameterCombination", {"InstanceMarketOptions": spot(), "InstanceInitiatedShutdownBehavior": "stop"}),
            ("InvalidParameterCombination", {"InstanceMarketOptions": spot(InstanceInterruptionBehavior="stop")}),
            ("InvalidParameterCombination", {"InstanceMarketOptions": spot(ValidUntil="2030-01-01T00:00:00Z")}),
            ("InvalidParameterCombination", {"InstanceMarketOptions": spot(), "DisableApiTermination": True}),
            ("Unsupported", {"InstanceType": "m3.medium", "EbsOptimized": True}),
            ("Unsupported", {"InstanceType": "m3.medium", "Placement": zone}),
            ("InvalidParameterCombination", {"InstanceType": "m3.medium", "MetadataOptions": {"HttpProtocolIpv6": "enabled"}}),
            ("UnsupportedOperation", {"InstanceType": "m3.medium", "EnclaveOptions": {"Enabled": True}}),
            ("InvalidParameterCombination", {"CreditSpecification": {"CpuCredits": "standard"}}),
            ("InvalidParameterValue", {"MetadataOptions": {"HttpPutResponseHopLimit": 65}}),
            ("InvalidParameterValue", {"MinCount": 2, "MaxCount": 1}),
            ("InvalidParameterValue", {"TagSpecifications": [tags("subnet", a="b")]}),
            ("InvalidParameterValue", {"TagSpecifications": [tags("instance", **{"aws:a": "b"})]}),
            ("InvalidParameterValue", {"TagSpecifications": [tags("instance", a="b" * 257)]})):
        with refused(code):
            service.run(**params)
    service.run(UserData="x" * 16384, InstanceInitiatedShutdownBehavior="terminate")
    service.run(InstanceType="m3.medium", ImageId=service.image())


def test_volumes_have_their_sizes(service):
    for code, mappings in (
            ("InvalidBlockDeviceMapping", volumes(7)), ("InvalidParameterValue", volumes(8, 0)),
            ("InvalidParameterValue", volumes(8, 16385)), ("InvalidParameterValue", volumes(8, 100, kind="st1")),
            ("InvalidParameterCombination", volumes(8, 100, kind="gp2", Iops=3000)), ("InvalidParameterValue", volumes(8, Iops=100)),
            ("InvalidParameterValue", volumes(8, Throughput=1001)), ("MissingParameter", volumes(8, 100, kind="io1")),
            ("InvalidBlockDeviceMapping", volumes(8) + volumes(9)), ("AttachmentLimitExceeded", volumes(*[8] * 28))):
        with refused(code):
            service.run(BlockDeviceMappings=mappings)
    service.run(BlockDeviceMappings=volumes(*[8] * 26))


def other_vpc(service):
    return next(v["VpcId"] for v in service.client().describe_vpcs()["Vpcs"] if not v["IsDefault"])


def test_subnet_and_group_are_of_one_vpc(service):
    ec2 = service.client()
    vpc = other_vpc(service)
    subnet = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"][0]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    with refused("InvalidParameter", "different networks"):
        service.run(SecurityGroupIds=[group])
    with refused("InvalidParameterCombination"):
        service.run(SecurityGroups=["default"], SubnetId=subnet)
    one = service.run(SecurityGroupIds=[group], SubnetId=subnet)[0]["InstanceId"]
    # There, instances get no public address unless they are asked to have one.
    assert "PublicIpAddress" not in described(service, InstanceIds=[one])[0]
    interface = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [group], "AssociatePublicIpAddress": True}
    with refused("InvalidParameterCombination"):
        service.run(NetworkInterfaces=[interface], SubnetId=subnet)
    two = service.run(NetworkInterfaces=[interface])[0]["InstanceId"]
    assert "PublicIpAddress" in described(service, InstanceIds=[two])[0]


def permission(port, cidr="192.0.2.0/24", **more):
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}], **more}


def test_rules_come_and_go(service):
    ec2 = service.client()
    group = ec2.create_security_group(GroupName="g", Description="d", TagSpecifications=[tags("security-group", a="b")])["GroupId"]
    with refused("InvalidGroup.Duplicate"):
        ec2.create_security_group(GroupName="g", Description="d")
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        permission(443), {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}],
        TagSpecifications=[tags("security-group-rule", cluster="c")])["SecurityGroupRules"]
    assert len(made) == 2
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission(22), permission(443)])
    for bad in (permission(70000), permission(22, "10.0.0.0/99"), {"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}):
        with refused("InvalidParameterValue"):
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[bad])
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "tag:cluster", "Values": ["c"]}])["SecurityGroupRules"]
    assert {r["SecurityGroupRuleId"] for r in rules} == {r["SecurityGroupRuleId"] for r in made}
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[made[0]["SecurityGroupRuleId"]])
    with refused("InvalidPermission.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[permission(443)])
    assert len(service.state()["groups"][-1]["rules"]) == 1


def test_a_group_in_use_stays(service):
    ec2 = service.client()
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    one = ids(service.run(SecurityGroupIds=[group]))
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    ec2.terminate_instances(InstanceIds=one)
    eventually(lambda: service.state()["instances"][0]["state"] == "terminated")
    other = ec2.create_security_group(GroupName="h", Description="d")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}])
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    ec2.delete_security_group(GroupId=other)
    ec2.delete_security_group(GroupId=group)
    with refused("CannotDelete"):
        ec2.delete_security_group(GroupName="default")


def template(service, name="bigm", **data):
    values = {"ImageId": service.image(), "UserData": base64.b64encode(b"hello").decode(), **data}
    return service.client().create_launch_template(LaunchTemplateName=name, LaunchTemplateData=values)["LaunchTemplate"]


def fleet(service, name, count, overrides, **params):
    values = {"Type": "instant", "TargetCapacitySpecification": {"TotalTargetCapacity": count, "DefaultTargetCapacityType": "spot"},
              "SpotOptions": {"AllocationStrategy": "price-capacity-optimized"}, "LaunchTemplateConfigs": [
                  {"LaunchTemplateSpecification": {"LaunchTemplateName": name, "Version": "1"}, "Overrides": overrides}]}
    values.update(params)
    return service.client().create_fleet(**values)


def test_a_fleet_gives_what_there_is(service):
    template(service, TagSpecifications=[tags("volume", v="1")])
    service.control("settings", {"capacity": [{"market": "spot", "type": "m5.large", "count": 30},
                                              {"market": "spot", "type": "c5.large", "count": 7}]})
    told = fleet(service, "bigm", 50, [{"InstanceType": "m5.large"}, {"InstanceType": "c5.large"}],
                 TagSpecifications=[tags("instance", Name="n")])
    assert sum(len(group["InstanceIds"]) for group in told["Instances"]) == 37
    assert {e["ErrorCode"] for e in told["Errors"]} == {"InsufficientInstanceCapacity"} and len(told["Errors"]) == 2
    instances = service.state()["instances"]
    assert len(instances) == 37 and all(i["tags"]["Name"] == "n" for i in instances)
    assert all(v["tags"] == {"v": "1"} for v in service.state()["volumes"])
    assert len(service.client().describe_instances()["Reservations"]) == 2


def test_a_fleet_with_nothing_is_no_error_of_the_request(service):
    template(service)
    service.control("settings", {"capacity": [{"market": "spot", "count": 0}]})
    told = fleet(service, "bigm", 2, [{"InstanceType": "m5.large", "AvailabilityZone": "us-west-2a"},
                                      {"InstanceType": "m3.medium", "AvailabilityZone": "us-west-2d"}])
    assert told["Instances"] == []
    assert {e["ErrorCode"] for e in told["Errors"]} == {"InsufficientInstanceCapacity", "InvalidFleetConfiguration"}
    assert {e["LaunchTemplateAndOverrides"]["Overrides"]["InstanceType"] for e in told["Errors"]} == {"m5.large", "m3.medium"}


def test_a_fleet_is_launched_once_by_its_token(service):
    template(service)
    first = fleet(service, "bigm", 2, [{"InstanceType": "m5.large"}], ClientToken="t")
    assert fleet(service, "bigm", 2, [{"InstanceType": "m5.large"}], ClientToken="t")["FleetId"] == first["FleetId"]
    with refused("IdempotentParameterMismatch"):
        fleet(service, "bigm", 3, [{"InstanceType": "m5.large"}], ClientToken="t")
    assert len(service.state()["instances"]) == 2


def test_fleets_that_ec2_refuses(service):
    template(service)
    template(service, "market", InstanceMarketOptions={"MarketType": "spot"})
    template(service, "behavior", InstanceInitiatedShutdownBehavior="terminate")
    types = [{"InstanceType": "m5.large"}]
    with refused("InvalidLaunchTemplateName.NotFoundException"):
        fleet(service, "nobodys", 1, types)
    for name in ("market", "behavior"):
        with refused("InvalidParameterCombination"):
            fleet(service, name, 1, types)
    with refused("InvalidFleetConfig", "duplicate"):
        fleet(service, "bigm", 1, types * 2)
    with refused("InvalidParameterValue"):
        fleet(service, "bigm", 1, types, TagSpecifications=[tags("volume", a="b")])
    with refused("Unsupported"):
        fleet(service, "bigm", 1, types, Type="maintain")
    with refused("InvalidParameterValue"):
        fleet(service, "bigm", 1, [{"InstanceType": "m5.gigantic"}])
    with refused("InvalidParameterCombination"):
        fleet(service, "bigm", 1, types, ReplaceUnhealthyInstances=True)


def test_templates_come_and_go(service):
    made = template(service, UserData=base64.b64encode(b"x" * 16384).decode())
    with refused("InvalidLaunchTemplateName.AlreadyExistsException"):
        template(service)
    with refused("InvalidLaunchTemplateName.MalformedException"):
        template(service, "a b")
    with refused("InvalidParameterValue"):
        template(service, "big", UserData=base64.b64encode(b"x" * 16385).decode())
    assert len(service.client().describe_launch_templates(LaunchTemplateNames=["bigm"])["LaunchTemplates"]) == 1
    assert service.run(ImageId=None, LaunchTemplate={"LaunchTemplateId": made["LaunchTemplateId"]})
    service.client().delete_launch_template(LaunchTemplateId=made["LaunchTemplateId"])
    assert service.state()["templates"] == []


def test_spot_requests_are_cancelled(service):
    service.run(InstanceMarketOptions=SPOT)
    request = service.client().describe_spot_instance_requests()["SpotInstanceRequests"][0]
    assert request["State"] == "active"
    told = service.client().cancel_spot_instance_requests(SpotInstanceRequestIds=[request["SpotInstanceRequestId"]])
    assert told["CancelledSpotInstanceRequests"][0]["State"] == "cancelled"
    assert service.state()["instances"][0]["state"] == "running"


def test_images_are_found_by_owner_and_name(service):
    images = service.client().describe_images(Owners=["075585003325"], Filters=[
        {"Name": "name", "Values": ["Flatcar-stable-*-hvm"]}, {"Name": "architecture", "Values": ["x86_64"]}])["Images"]
    assert max(images, key=lambda i: i["CreationDate"])["Name"] == "Flatcar-stable-3374.2.2-hvm"
    assert len(service.client().describe_images(Owners=["amazon"])["Images"]) == 6


def test_types_offerings_and_prices(service):
    ec2 = service.client()
    one = ec2.describe_instance_types(InstanceTypes=["m6gd.large"])["InstanceTypes"][0]
    assert one["ProcessorInfo"]["SupportedArchitectures"] == ["arm64"] and one["InstanceStorageInfo"]["TotalSizeInGB"] == 118
    with refused("InvalidInstanceType"):
        ec2.describe_instance_types(InstanceTypes=["m5.gigantic"])
    offers = ec2.describe_instance_type_offerings(LocationType="availability-zone",
                                                  Filters=[{"Name": "instance-type", "Values": ["m3.medium"]}])
    assert [o["Location"][-1] for o in offers["InstanceTypeOfferings"]] == ["a", "b", "c"]
    prices = ec2.describe_spot_price_history(InstanceTypes=["m5.large"], ProductDescriptions=["Linux/UNIX"])["SpotPriceHistory"]
    assert len(prices) == 8 and all(0.02 < float(p["SpotPrice"]) < 0.06 for p in prices)


def test_tags_are_made_and_found(service):
    one = service.run()[0]["InstanceId"]
    ec2 = service.client()
    ec2.create_tags(Resources=[one], Tags=[{"Key": "a", "Value": "b"}])
    assert ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [one]}])["Tags"][0]["Value"] == "b"
    with refused("InvalidInstanceID.NotFound"):
        ec2.create_tags(Resources=["i-12345678"], Tags=[{"Key": "a", "Value": "b"}])


def test_the_console_is_read(service):
    one = service.run()[0]["InstanceId"]
    assert "Output" not in service.client().get_console_output(InstanceId=one)
    service.control("console", {"instance": one, "text": "login:"})
    assert service.client().get_console_output(InstanceId=one)["Output"] == "login:"


def test_instances_end_of_themselves(service):
    made = ids(service.run(MaxCount=2, InstanceInitiatedShutdownBehavior="terminate"))
    service.control("poweroff", {"instance": made[0]})
    service.control("lose", {"instance": made[1]})
    states = service.client().describe_instance_status(InstanceIds=made, IncludeAllInstances=True)["InstanceStatuses"]
    assert "running" not in {s["InstanceState"]["Name"] for s in states}
    reasons = {i["id"]: i["reason"] for i in service.state()["instances"]}
    assert reasons == {made[0]: "Client.InstanceInitiatedShutdown", made[1]: "Server.InternalError"}


def test_an_instance_that_powers_off_may_only_be_stopped(service):
    one = ids(service.run())
    service.control("poweroff", {"instance": one[0]})
    eventually(lambda: service.state()["instances"][0]["state"] == "stopped")
    assert service.state()["volumes"]
    service.client().terminate_instances(InstanceIds=one)
    eventually(lambda: service.state()["instances"][0]["state"] == "terminated")
    assert service.state()["volumes"] == []


def test_regions_have_their_own_instances(service):
    service.run()
    east = service.client(region="us-east-1")
    assert east.describe_instances()["Reservations"] == []
    assert "us-east-1" in [r["RegionName"] for r in east.describe_regions()["Regions"]]
    assert len(east.describe_availability_zones()["AvailabilityZones"]) == 6
