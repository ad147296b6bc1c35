"""The EC2 service: who may ask what, how it is asked, what goes wrong when a test says so."""
import http.client
import json
import threading
import time

from harness import KEY, eventually, refused

DESCRIBE = [("Action", "DescribeInstances"), ("Version", "2016-11-15")]


def why(service):
    return service.log("DescribeInstances")[-1]["why"]


def test_a_signed_request_is_answered(service):
    status, body = service.raw(DESCRIBE)
    assert status == 200 and "<reservationSet" in body, body


def test_a_wrong_secret_is_refused(service):
    status, body = service.raw(DESCRIBE, secret="another")
    assert status == 401 and "<Code>AuthFailure</Code>" in body and "<RequestID>" in body, body
    assert "signature" in why(service)


def test_a_changed_body_is_refused(service):
    def change(headers):
        headers["X-Amz-Content-SHA256"] = "0" * 64
    status, _ = service.raw(DESCRIBE, change=change)
    assert status == 401


def test_a_header_that_is_not_signed_is_refused(service):
    def change(headers):
        headers["X-Amz-Target"] = "x"
    status, _ = service.raw(DESCRIBE, change=change)
    assert status == 401 and "x-amz-target" in why(service)


def test_no_signature_is_refused(service):
    status, body = service.raw(DESCRIBE, change=lambda headers: headers.pop("Authorization"))
    assert status == 403 and "MissingAuthenticationToken" in body, body


def test_dates_may_be_off_by_five_minutes(service):
    def stamp(seconds):
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + seconds))
    for off, expected in ((-270, 200), (270, 200), (-330, 400), (330, 400)):
        status, body = service.raw(DESCRIBE, date=stamp(off))
        assert status == expected, (off, body)
    assert "<Code>RequestExpired</Code>" in body


def test_another_service_or_region_in_the_signature_is_refused(service):
    assert service.raw(DESCRIBE, service="s3")[0] == 401
    assert service.raw(DESCRIBE, region="us-west-7")[0] == 401


def test_temporary_credentials_need_their_token_and_expire(service):
    keys = service.control("credentials", {"seconds": 100})
    ec2 = service.client(key=keys["access_key"], secret=keys["secret_key"], token=keys["session_token"])
    ec2.describe_instances()
    other = service.control("credentials")
    with refused("AuthFailure"):
        service.client(key=other["access_key"], secret=other["secret_key"]).describe_instances()
    # Both clocks go on: what the client signs must not be refused for its date.
    service.control("settings", {"clock": 101})
    with refused("RequestExpired"):
        ec2.describe_instances()


def test_an_unknown_parameter_is_refused(service):
    for name in ("Instanceid.1", "InstanceId", "InstanceId.0", "InstanceId.1.Name", "Filter.1.Values.1", "Nonsense"):
        status, body = service.raw(DESCRIBE + [(name, "i-12345678")])
        assert status == 400 and ("UnknownParameter" in body or "InvalidParameterValue" in body), (name, body)


def test_wrong_types_are_refused(service):
    for params in ({"MaxCount": "many"}, {"MaxCount": "1.5"}, {"InstanceMarketOptions": {"MarketType": "gift"}}):
        with refused("InvalidParameterValue"):
            service.run(**params)
    for name, value in (("DryRun", "maybe"), ("MaxResults", ""), ("Filter.1", "x")):
        status, body = service.raw(DESCRIBE + [(name, value)])
        assert status == 400 and "InvalidParameterValue" in body, (name, body)
    prices = [("Action", "DescribeSpotPriceHistory"), ("Version", "2016-11-15")]
    assert "InvalidParameterValue" in service.raw(prices + [("StartTime", "yesterday")])[1]
    assert service.raw(prices + [("StartTime", "2022-12-31T23:59:59Z")])[0] == 200


def test_missing_members_are_refused(service):
    with refused("MissingParameter", "MaxCount"):
        service.run(MaxCount=None)
    with refused("MissingParameter", "ImageId"):
        service.run(ImageId=None)
    with refused("MissingParameter", "InstanceId"):
        service.client().terminate_instances()


def test_an_unknown_action_or_version_is_refused(service):
    assert "InvalidAction" in service.raw([("Action", "Dance"), ("Version", "2016-11-15")])[1]
    assert "NoSuchVersion" in service.raw([("Action", "DescribeInstances"), ("Version", "2010-01-01")])[1]
    assert "UnsupportedOperation" in service.raw([("Action", "DescribeAddresses"), ("Version", "2016-11-15")])[1]


def test_a_policy_allows_its_actions_only(service):
    service.control("policy", {"allowed": ["ec2:Describe*", "ec2:RunInstances"]})
    service.client().describe_vpcs()
    with refused("UnauthorizedOperation") as refusal:
        service.client().create_security_group(GroupName="g", Description="d")
    assert refusal.status == 403
    service.run()
    with refused("UnauthorizedOperation"):
        service.run(TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}])
    with refused("UnauthorizedOperation"):
        service.run(IamInstanceProfile={"Name": "worker"})


def test_a_dry_run_does_nothing(service):
    with refused("DryRunOperation") as refusal:
        service.run(DryRun=True)
    assert refusal.status == 412
    service.control("policy", {"allowed": ["ec2:Describe*"]})
    with refused("UnauthorizedOperation"):
        service.run(DryRun=True)
    assert not service.state()["instances"]


def test_the_first_spot_instance_needs_a_role(service):
    service.control("policy", {"allowed": ["ec2:*"], "service_linked_role": False})
    with refused("AuthFailure.ServiceLinkedRoleCreationNotPermitted"):
        service.run(InstanceMarketOptions={"MarketType": "spot"})
    service.run()


def test_a_user_of_iam_may_do_what_its_policies_say(service):
    iam = service.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Resource": "*", "Action": ["ec2:DescribeVpcs"]}]})
    policy = {"UserName": "somebody", "PolicyName": "look"}
    with refused("NoSuchEntity"):
        iam.put_user_policy(PolicyDocument=document, **policy)
    user = iam.create_user(UserName="somebody")["User"]["Arn"]
    with refused("EntityAlreadyExists"):
        iam.create_user(UserName="somebody")
    with refused("MalformedPolicyDocument"):
        iam.put_user_policy(PolicyDocument="{}", **policy)
    key = iam.create_access_key(UserName="somebody")["AccessKey"]
    keys = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    assert service.client("sts", **keys).get_caller_identity()["Arn"] == user
    with refused("UnauthorizedOperation"):
        service.client(**keys).describe_vpcs()
    with refused("AccessDenied"):
        service.client("iam", **keys).create_user(UserName="another")
    iam.put_user_policy(PolicyDocument=document, **policy)
    service.client(**keys).describe_vpcs()
    with refused("UnauthorizedOperation"):
        service.client(**keys).describe_subnets()
    iam.delete_user_policy(**policy)
    with refused("UnauthorizedOperation"):
        service.client(**keys).describe_vpcs()


def test_an_administrator_makes_the_role_of_spot_instances_once(service):
    service.control("policy", {"allowed": ["ec2:*", "iam:*"], "service_linked_role": False})
    service.client("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    service.control("policy", {"allowed": ["ec2:*"]})
    service.run(InstanceMarketOptions={"MarketType": "spot"})
    service.control("policy", {"allowed": ["iam:*"]})
    with refused("InvalidInput", "has been taken"):
        service.client("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")


def test_quotas_can_be_asked_for(service):
    service.control("settings", {"spot_vcpu_limit": 5})
    quotas = service.client("service-quotas")
    assert quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-34B43A08")["Quota"]["Value"] == 5
    with refused("NoSuchResourceException"):
        quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-0")
    service.control("policy", {"allowed": ["ec2:*"]})
    with refused("AccessDeniedException"):
        quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-34B43A08")


def test_requests_are_throttled(service):
    service.control("settings", {"throttle": {"DescribeVpcs": [2, 0.001]}})
    service.client().describe_vpcs()
    service.client().describe_vpcs()
    with refused("RequestLimitExceeded") as refusal:
        service.client().describe_vpcs()
    assert refusal.status == 503
    service.client().describe_subnets()


def test_errors_come_as_often_as_they_are_asked_for(service):
    service.control("faults", [{"action": "Describe*", "skip": 1, "times": 2, "error": {"code": "Unavailable", "status": 503}}])
    ec2 = service.client()
    ec2.describe_vpcs()
    for _ in range(2):
        with refused("Unavailable"):
            ec2.describe_vpcs()
    ec2.describe_vpcs()


def post(service, pairs):
    """True when the request was answered, False when the connection ended."""
    try:
        service.raw(pairs)
        return True
    except (OSError, http.client.HTTPException):
        return False


def launch_pairs(service):
    return [("Action", "RunInstances"), ("Version", "2016-11-15"), ("ImageId", service.image()), ("InstanceType", "m5.large"),
            ("MinCount", "1"), ("MaxCount", "1"), ("ClientToken", "once")]


def test_answers_are_lost_before_and_after_the_action(service):
    pairs = launch_pairs(service)
    for cut, made in (("before", 0), ("after", 1), ("middle", 1)):
        service.control("faults", [{"action": "RunInstances", "times": 1, "cut": cut}])
        assert not post(service, pairs)
        assert len(service.state()["instances"]) == made, cut
    assert post(service, pairs)
    assert len(service.state()["instances"]) == 1


def test_a_request_is_held_until_it_is_released(service):
    pairs = launch_pairs(service)
    service.control("faults", [{"action": "RunInstances", "hold_answer": "launched"}])
    thread = threading.Thread(target=post, args=(service, pairs))
    thread.start()
    assert service.control("held", {"name": "launched", "seconds": 60})["held"]
    assert len(service.state()["instances"]) == 1 and thread.is_alive()
    service.control("release", {"name": "launched"})
    thread.join(60)
    assert not thread.is_alive()


def test_garbage_is_answered_as_it_is(service):
    service.control("faults", [{"action": "DescribeInstances", "body": "<html>", "status": 502, "times": 1}])
    assert service.raw(DESCRIBE) == (502, "<html>")


def test_a_fault_that_makes_no_sense_is_refused(service):
    status, _, _ = service.http("POST", "/_control/faults", b'[{"acton": "x"}]')
    assert status == 400


def test_roles_are_assumed(service):
    sts = service.client("sts")
    assert sts.get_caller_identity()["Account"] == "123456789012"
    told = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/worker", RoleSessionName="one")
    keys = told["Credentials"]
    arn = service.client("sts", key=keys["AccessKeyId"], secret=keys["SecretAccessKey"],
                         token=keys["SessionToken"]).get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::123456789012:assumed-role/worker/one"
    service.control("policy", {"roles": []})
    with refused("AccessDenied"):
        sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/worker", RoleSessionName="one")


def test_a_web_identity_needs_no_signature(service):
    pairs = [("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleSessionName", "one"),
             ("RoleArn", "arn:aws:iam::123456789012:role/worker"), ("WebIdentityToken", "good")]
    status, body = service.raw(pairs, change=lambda headers: headers.pop("Authorization"))
    assert status == 200 and "<SessionToken>" in body, body
    status, body = service.raw(pairs[:-1] + [("WebIdentityToken", "expired")], change=lambda h: h.pop("Authorization"))
    assert status == 400 and "ExpiredTokenException" in body, body


def test_sso_wants_a_token_that_is_good(service):
    path = "/federation/credentials?role_name=r&account_id=123456789012"
    assert service.http("GET", path)[0] == 401
    service.control("sso", {"token": "t", "seconds": 60})
    status, _, body = service.http("GET", path, headers={"x-amz-sso_bearer_token": "t"})
    assert status == 200 and b"sessionToken" in body
    service.control("advance", {"seconds": 61})
    assert service.http("GET", path, headers={"x-amz-sso_bearer_token": "t"})[0] == 401


def test_sso_renews_a_token_once(service):
    service.control("sso-client", {"id": "i", "secret": "s", "refresh": "r"})
    oidc = service.client("sso-oidc")
    wanted = {"clientId": "i", "clientSecret": "s", "grantType": "refresh_token", "refreshToken": "r"}
    with refused("InvalidClientException"):
        oidc.create_token(**{**wanted, "clientSecret": "x"})
    told = oidc.create_token(**wanted)
    with refused("InvalidGrantException"):
        oidc.create_token(**wanted)
    path = "/federation/credentials?role_name=r&account_id=123456789012"
    assert service.http("GET", path, headers={"x-amz-sso_bearer_token": told["accessToken"]})[0] == 200
    assert oidc.create_token(**{**wanted, "refreshToken": told["refreshToken"]})["expiresIn"] == 3600


def test_containers_have_credentials(service):
    assert service.http("GET", "/container")[0] == 200
    service.control("container", {"token": "t"})
    assert service.http("GET", "/container")[0] == 401
    assert service.http("GET", "/container", headers={"Authorization": "t"})[0] == 200


def metadata_token(service):
    status, _, body = service.http("PUT", "/latest/api/token", b"", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    assert status == 200
    return {"X-aws-ec2-metadata-token": body.decode()}


def test_metadata_needs_a_token(service):
    assert service.http("GET", "/latest/meta-data/instance-id")[0] == 401
    assert service.http("PUT", "/latest/api/token", b"")[0] == 400
    headers = metadata_token(service)
    assert service.http("GET", "/latest/meta-data/instance-id", headers=headers)[0] == 200
    service.control("advance", {"seconds": 61})
    assert service.http("GET", "/latest/meta-data/instance-id", headers=headers)[0] == 401


def test_metadata_knows_the_instance(service):
    instance = service.run(UserData="hello", InstanceMarketOptions={"MarketType": "spot"})[0]["InstanceId"]
    service.control("metadata", {"self": instance})
    headers = metadata_token(service)

    def get(path):
        status, _, body = service.http("GET", "/latest/" + path, headers=headers)
        return body.decode() if status == 200 else status
    mac = get("meta-data/mac")
    assert get("meta-data/instance-id") == instance and get("user-data") == "hello"
    assert get("meta-data/network/interfaces/macs/") == mac + "/"
    assert get(f"meta-data/network/interfaces/macs/{mac}/local-ipv4s") == "10.77.0.11"
    assert "document" in get("dynamic/instance-identity/")
    assert get("meta-data/spot/instance-action") == 404
    service.control("interrupt", {"instance": instance, "after": 120})
    assert '"action": "terminate"' in get("meta-data/spot/instance-action")
    assert "noticeTime" in get("meta-data/events/recommendations/rebalance")


def test_a_role_of_the_metadata_service_signs(service):
    headers = metadata_token(service)
    name = service.http("GET", "/latest/meta-data/iam/security-credentials/", headers=headers)[2].decode()
    status, _, body = service.http("GET", "/latest/meta-data/iam/security-credentials/" + name, headers=headers)
    assert status == 200 and KEY.encode() not in body and b'"Code": "Success"' in body


def test_an_interrupted_instance_goes(service):
    one = service.run(InstanceMarketOptions={"MarketType": "spot"})[0]["InstanceId"]
    service.control("interrupt", {"instance": one, "after": 0.5})
    eventually(lambda: service.state()["instances"][0]["state"] == "terminated")
    assert service.state()["instances"][0]["reason"] == "Server.SpotInstanceTermination"
    assert service.state()["spot_requests"][0]["status"] == "instance-terminated-no-capacity"
