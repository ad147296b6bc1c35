"""IAM: users, policies and keys, and EC2's role for spot instances. As little of it as one needs to begin with an account."""
import json
import secrets

from .errors import ApiError
from .iam import ACCOUNT, Principal

SPOT = "spot.amazonaws.com"


class User:
    """What a user may do follows from the policies, for the keys that there are as well: they share the list."""

    def __init__(self, name):
        self.arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
        self.policies = {}
        self.allowed = []

    def settle(self):
        self.allowed[:] = [action for policy in self.policies.values() for action in policy]


def find(iam, name):
    if name not in iam.users:
        raise ApiError("NoSuchEntity", f"The user with name {name} cannot be found.", 404)
    return iam.users[name]


def actions_of(document):
    """What a policy allows. This service knows such as allow actions on everything."""
    try:
        allowed = []
        for statement in json.loads(document)["Statement"]:
            if (statement["Effect"], statement["Resource"]) != ("Allow", "*"):
                raise ValueError("it is not Allow of *")
            allowed += statement["Action"]
        return allowed
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError("MalformedPolicyDocument", f"{type(error).__name__}: {error}") from None


def create_user(iam, params, now):
    name = params["UserName"]
    if name in iam.users:
        raise ApiError("EntityAlreadyExists", f"User with name {name} already exists.", 409)
    user = iam.users[name] = User(name)
    return {"User": {"Path": "/", "UserName": name, "UserId": "AIDA" + secrets.token_hex(8).upper(), "Arn": user.arn,
                     "CreateDate": now}}


def put_user_policy(iam, params, now):
    user = find(iam, params["UserName"])
    user.policies[params["PolicyName"]] = actions_of(params["PolicyDocument"])
    user.settle()


def delete_user_policy(iam, params, now):
    user, policy = find(iam, params["UserName"]), params["PolicyName"]
    if user.policies.pop(policy, None) is None:
        raise ApiError("NoSuchEntity", f"The user policy with name {policy} cannot be found.", 404)
    user.settle()


def create_access_key(iam, params, now):
    name = params["UserName"]
    user = find(iam, name)
    key = iam.add(Principal(user.arn, "AKIA" + secrets.token_hex(8).upper(), secrets.token_hex(20), allowed=user.allowed))
    return {"AccessKey": {"UserName": name, "AccessKeyId": key.access_key, "SecretAccessKey": key.secret_key,
                          "Status": "Active", "CreateDate": now}}


def create_service_linked_role(iam, params, now):
    if params["AWSServiceName"] != SPOT:
        raise ApiError("InvalidInput", f"This service makes the role of {SPOT} only.")
    if iam.service_linked_role:
        raise ApiError("InvalidInput", "Service role name AWSServiceRoleForEC2Spot has been taken in this account, please try a"
                       " different suffix.")
    iam.service_linked_role = True


FUNCTIONS = {"CreateAccessKey": create_access_key, "CreateServiceLinkedRole": create_service_linked_role,
             "CreateUser": create_user, "DeleteUserPolicy": delete_user_policy, "PutUserPolicy": put_user_policy}


def action(name, function):
    def call(world, params, principal):
        if not world.iam.permits(principal, "iam:" + name):
            raise ApiError("AccessDenied", f"User: {principal.arn} is not authorized to perform: iam:{name}", 403)
        return function(world.iam, params, world.now())
    return call


ACTIONS = {name: action(name, function) for name, function in FUNCTIONS.items()}
