"""Signatures of version 4, computed once more with botocore's own signer and compared."""
import calendar
import hashlib
import hmac
import re
import time

import botocore.auth
import botocore.awsrequest
import botocore.compat
import botocore.credentials

from .errors import ApiError, auth_failure

# How far a request's date may be off, in seconds.
SKEW = 300
AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/, ]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, ?"
                           r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})")


class Verifier(botocore.auth.SigV4Auth):
    """The signer, of the headers that the request says are signed and no others."""

    def __init__(self, credentials, service, region, names):
        super().__init__(credentials, service, region)
        self.names = names

    def headers_to_sign(self, request):
        headers = botocore.compat.HTTPHeaders()
        for name, value in request.headers.items():
            if name.lower() in self.names:
                headers[name.lower()] = value
        return headers


class Scope:
    """What a signature says that it is for."""

    def __init__(self, access_key, date, region, service):
        self.access_key = access_key
        self.date = date
        self.region = region
        self.service = service


def refuse(why, error=None):
    """An error whose reason is for the log of tests; the client is told as little as EC2 tells."""
    error = error or auth_failure()
    error.why = why
    return error


def request_time(headers):
    stamp = headers.get("x-amz-date", "")
    try:
        return calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ")), stamp
    except ValueError:
        raise refuse(f"x-amz-date is {stamp!r}", ApiError("IncompleteSignature", "Date must be in ISO-8601 'basic format'."
                                                           f" Got '{stamp}'.", 400)) from None


def read_scope(headers):
    """The scope of a request, before anything is checked; None when it is not signed."""
    match = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    return Scope(*match.group(1, 2, 3, 4)) if match else None


def check_payload(headers, body):
    told = headers.get("x-amz-content-sha256")
    if told is not None and told != hashlib.sha256(body).hexdigest():
        raise refuse("x-amz-content-sha256 is not the body's")


def check_names(names, headers):
    """AWS wants the host and everything that is its own to be signed."""
    needed = {"host"} | {name for name in headers if name.startswith("x-amz-")}
    if not needed <= names or not names <= set(headers):
        raise refuse(f"signed are {sorted(names)}, not {sorted(needed - names)}; the request has {sorted(headers)}")


def verify(method, url, headers, body, find, now):
    """Raises ApiError, or returns (scope, principal). find(access_key) gives the principal with that key, or None.

    headers is a dictionary with names in lower case; now is what the service's clock says.
    """
    match = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if not match:
        code = "IncompleteSignature" if "authorization" in headers else "MissingAuthenticationToken"
        raise refuse("no signature that can be read", ApiError(code, "Request is missing Authentication Token", 403))
    scope, names, given = Scope(*match.group(1, 2, 3, 4)), set(match[5].split(";")), match[6]
    moment, stamp = request_time(headers)
    if abs(moment - now) > SKEW:
        raise refuse(f"the date is off by {moment - now:.0f} s", ApiError("RequestExpired", "Request has expired."))
    if scope.date != stamp[:8]:
        raise refuse("the scope's date is not the request's")
    principal = find(scope.access_key)
    if principal is None:
        raise refuse(f"no such access key: {scope.access_key}")
    check_names(names, headers)
    check_payload(headers, body)
    request = botocore.awsrequest.AWSRequest(method=method, url=url, headers=headers, data=body)
    request.context["timestamp"] = stamp
    verifier = Verifier(botocore.credentials.Credentials(scope.access_key, principal.secret_key), scope.service,
                        scope.region, names)
    expected = verifier.signature(verifier.string_to_sign(request, verifier.canonical_request(request)), request)
    if not hmac.compare_digest(expected, given):
        raise refuse("the signature is not the one of these headers, body and secret")
    token = headers.get("x-amz-security-token")
    if token != principal.session_token:
        raise refuse("the session token is missing" if token is None else "the session token is another one")
    if principal.expires is not None and principal.expires <= now:
        raise refuse("the credentials have expired", ApiError("RequestExpired", "Request has expired."))
    return scope, principal
