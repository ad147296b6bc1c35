"""STS: temporary credentials for roles."""
from .errors import ApiError
from .iam import ACCOUNT

# What needs no signature.
UNSIGNED = {"AssumeRoleWithWebIdentity"}
# A web identity token that has expired is this one.
EXPIRED_TOKEN = "expired"


def credentials_shape(principal):
    return {"AccessKeyId": principal.access_key, "SecretAccessKey": principal.secret_key,
            "SessionToken": principal.session_token, "Expiration": principal.expires}


def assumed(world, params):
    duration = params.get("DurationSeconds", 3600)
    principal = world.iam.assume(params["RoleArn"], params["RoleSessionName"], world.now() + duration)
    return {"Credentials": credentials_shape(principal), "AssumedRoleUser": {
        "AssumedRoleId": "AROATESTTESTTESTTEST:" + params["RoleSessionName"], "Arn": principal.arn}}


def assume_role(world, params, principal):
    world.iam.require(principal, "sts:AssumeRole")
    return assumed(world, params)


def assume_role_with_web_identity(world, params, principal):
    if params["WebIdentityToken"] == EXPIRED_TOKEN:
        raise ApiError("ExpiredTokenException", "Token expired: current date/time must be before the expiration date/time")
    return {**assumed(world, params), "SubjectFromWebIdentityToken": "system:serviceaccount:default:test",
            "Audience": "sts.amazonaws.com", "Provider": "arn:aws:iam::%s:oidc-provider/test" % ACCOUNT}


def get_caller_identity(world, params, principal):
    return {"UserId": "AIDATESTTESTTESTTEST", "Account": ACCOUNT, "Arn": principal.arn}


ACTIONS = {"AssumeRole": assume_role, "AssumeRoleWithWebIdentity": assume_role_with_web_identity,
           "GetCallerIdentity": get_caller_identity}
