"""Where else credentials come from: SSO's portal, and the endpoint that containers have."""
import json
import urllib.parse

from .iam import ACCOUNT
from .model import iso_time
from .query import Answer

JSON = "application/json"
SECONDS = 3600


def answer(world, request):
    """None when the path is neither's."""
    handler = {"/federation/credentials": sso, "/container": container}.get(request.path)
    if handler is None or request.method != "GET":
        return None
    with world.lock:
        result = handler(world, request)
    world.write_log(action="federation:" + request.path, status=result.status, query=request.query)
    return result


def refuse(status, kind, message):
    return Answer(status, json.dumps({"message": message}).encode(), JSON, {"x-amzn-ErrorType": kind})


def sso(world, request):
    """GetRoleCredentials; the tokens that are good are set by tests."""
    query = dict(urllib.parse.parse_qsl(request.query))
    missing = {"role_name", "account_id"} - set(query)
    if missing or set(query) - {"role_name", "account_id"}:
        return refuse(400, "InvalidRequestException", f"role_name and account_id are needed, and nothing else: {query}")
    expires = world.sso_tokens.get(request.headers.get("x-amz-sso_bearer_token"))
    if expires is None or expires < world.now():
        return refuse(401, "UnauthorizedException", "Session token not found or invalid")
    arn = f"arn:aws:sts::{query['account_id']}:assumed-role/AWSReservedSSO_{query['role_name']}/test"
    principal = world.iam.temporary(arn, world.now() + SECONDS)
    return Answer(200, json.dumps({"roleCredentials": {
        "accessKeyId": principal.access_key, "secretAccessKey": principal.secret_key,
        "sessionToken": principal.session_token, "expiration": int(principal.expires * 1000)}}).encode(), JSON)


def container(world, request):
    """What AWS_CONTAINER_CREDENTIALS_FULL_URI points at; with a token when a test has set one."""
    if world.container_token is not None and request.headers.get("authorization") != world.container_token:
        return refuse(401, "Unauthorized", "Bad authorization token")
    principal = world.iam.temporary(f"arn:aws:sts::{ACCOUNT}:assumed-role/task/test", world.now() + SECONDS)
    return Answer(200, json.dumps({
        "AccessKeyId": principal.access_key, "SecretAccessKey": principal.secret_key, "Token": principal.session_token,
        "Expiration": iso_time(principal.expires), "RoleArn": principal.arn}).encode(), JSON)
