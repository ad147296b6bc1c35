"""ClientToken: the same request again gets the same answer, another one with the same token is refused."""
import json

from .errors import ApiError


def once(call, act):
    """What act() gives, unless the request's ClientToken was seen before. act returns a function that makes the answer, so that a
    repeated request sees what has become of the thing since.
    """
    token = call.params.get("ClientToken")
    if not token:
        return act()()
    if len(token) > 64 or not token.isascii():
        raise ApiError("InvalidParameterValue", "Invalid value for ClientToken: it is longer than 64 ASCII characters.")
    key = (call.action, token)
    fingerprint = json.dumps({k: v for k, v in call.params.items() if k != "DryRun"}, sort_keys=True, default=str)
    known = call.region.tokens.get(key)
    if known is None:
        answer = act()
        call.region.tokens[key] = (fingerprint, answer)
        return answer()
    if known[0] != fingerprint:
        raise ApiError("IdempotentParameterMismatch", "The request uses the same client token as a previous, but non-identical "
                       "request. Do not reuse a client token with different requests, unless the requests are identical.")
    call.note = "repeated"
    return known[1]()
