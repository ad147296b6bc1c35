"""Where else credentials come from: SSO's portal and its tokens, and the endpoint that containers have."""
import json
import secrets
import urllib.parse

import botocore.exceptions
import botocore.loaders
import botocore.model
import botocore.validate

from .iam import ACCOUNT
from .model import iso_time
from .query import Answer

JSON = "application/json"
SECONDS = 3600


def answer(world, request):
    """None when the path is neither's."""
    handler = {("GET", "/federation/credentials"): sso, ("POST", "/token"): token,
               ("GET", "/container"): container}.get((request.method, request.path))
    if handler is None:
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


def create_token():
    """What botocore knows of CreateToken's parameters."""
    model = botocore.model.ServiceModel(botocore.loaders.create_loader().load_service_model("sso-oidc", "service-2"))
    return model.operation_model("CreateToken").input_shape


def refuse_token(error, words):
    """As OAuth says it, and as AWS does."""
    kind = "".join(word.capitalize() for word in error.split("_")) + "Exception"
    return Answer(400, json.dumps({"error": error, "error_description": words}).encode(), JSON,
                  {"x-amzn-ErrorType": kind, "x-amzn-RequestId": secrets.token_hex(16)})


def token(world, request):
    """CreateToken of a refresh token, each of which is good once; clients and tokens are set by tests."""
    try:
        wanted = json.loads(request.body)
        shape = create_token()
        surplus = set(wanted) - set(shape.members)
        botocore.validate.validate_parameters(wanted, shape)
    except (ValueError, TypeError, botocore.exceptions.ParamValidationError) as error:
        return refuse_token("invalid_request", str(error))
    if surplus or request.headers.get("content-type") != "application/json":
        return refuse_token("invalid_request", f"{sorted(surplus)}, {request.headers.get('content-type')}")
    if wanted["grantType"] != "refresh_token":
        return refuse_token("unsupported_grant_type", wanted["grantType"])
    client = world.sso_clients.get(wanted["clientId"])
    if client is None or client["secret"] != wanted["clientSecret"]:
        return refuse_token("invalid_client", "nobody has registered so")
    if wanted.get("refreshToken") != client["refresh"]:
        return refuse_token("invalid_grant", "the refresh token is none, or has been used")
    client["refresh"] = secrets.token_urlsafe()
    bearer = secrets.token_urlsafe()
    world.sso_tokens[bearer] = world.now() + SECONDS
    return Answer(200, json.dumps({"accessToken": bearer, "tokenType": "Bearer", "expiresIn": SECONDS,
                                   "refreshToken": client["refresh"]}).encode(), JSON)


def container(world, request):
    """What AWS_CONTAINER_CREDENTIALS_FULL_URI points at; with a token when a test has set one."""
    if world.container_token is not None and request.headers.get("authorization") != world.container_token:
        return refuse(401, "Unauthorized", "Bad authorization token")
    principal = world.iam.temporary(f"arn:aws:sts::{ACCOUNT}:assumed-role/task/test", world.now() + SECONDS)
    return Answer(200, json.dumps({
        "AccessKeyId": principal.access_key, "SecretAccessKey": principal.secret_key, "Token": principal.session_token,
        "Expiration": iso_time(principal.expires), "RoleArn": principal.arn}).encode(), JSON)
