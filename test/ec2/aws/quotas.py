"""Service Quotas: how many processors the account may have. GetServiceQuota is all that this service knows of it."""
import json
import uuid

from . import signature
from .errors import ApiError
from .query import Answer

TARGET = "ServiceQuotasV20190624."
QUOTAS = {"L-34B43A08": ("All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", "spot_vcpu_limit"),
          "L-1216C47A": ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", "vcpu_limit")}


def answer(world, request):
    """None when the request is another service's."""
    target = request.headers.get("x-amz-target", "")
    if not target.startswith(TARGET):
        return None
    try:
        with world.lock:
            result, status = get_service_quota(world, request, target[len(TARGET):]), 200
    except ApiError as error:
        result, status = {"__type": error.code, "message": error.message}, error.status
    world.write_log(action=target, status=status)
    return Answer(status, json.dumps(result).encode(), "application/x-amz-json-1.1", {"x-amzn-RequestId": str(uuid.uuid4())})


def get_service_quota(world, request, name):
    url = "http://" + request.headers.get("host", "") + request.target
    _, principal = signature.verify(request.method, url, request.headers, request.body, world.iam.find, world.now())
    if not world.iam.permits(principal, "servicequotas:" + name):
        raise ApiError("AccessDeniedException", f"User: {principal.arn} is not authorized to perform: servicequotas:{name}")
    wanted = json.loads(request.body)
    code = wanted.get("QuotaCode")
    if name != "GetServiceQuota" or wanted.get("ServiceCode") != "ec2" or code not in QUOTAS:
        raise ApiError("NoSuchResourceException", f"This service does not know {name} of {wanted}")
    title, setting = QUOTAS[code]
    return {"Quota": {"ServiceCode": "ec2", "QuotaCode": code, "QuotaName": title, "Adjustable": True,
                      "Value": float(getattr(world.settings, setting))}}
