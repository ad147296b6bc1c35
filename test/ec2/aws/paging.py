"""Pages and filters of the Describe actions."""
import base64
import binascii
import fnmatch
import json

from .errors import ApiError, bad_combination


def page(call, items, token="NextToken", most="MaxResults", ids=None, low=5, high=1000):
    """The part of items that this request gets, and the rest of the answer: {} or {"NextToken": …}."""
    params = call.params
    wanted = params.get(most)
    if wanted is not None and ids and params.get(ids):
        raise bad_combination(f"The parameter {ids} cannot be used with the parameter {most}")
    if wanted is not None and not low <= wanted <= high:
        raise ApiError("InvalidParameterValue", f"Value ( {wanted} ) for parameter {most} is invalid. Expecting a value "
                       f"{'greater than ' + str(low) if wanted < low else 'less than ' + str(high)}.")
    start = read_token(call, params[token]) if token in params else 0
    limit = min(wanted or len(items) or 1, call.world.settings.page_size or 1 << 30)
    rest = {} if start + limit >= len(items) else {token: make_token(call, start + limit)}
    return items[start:start + limit], rest


def make_token(call, offset):
    return base64.urlsafe_b64encode(json.dumps([call.action, offset]).encode()).decode()


def read_token(call, text):
    try:
        action, offset = json.loads(base64.urlsafe_b64decode(text))
        if action == call.action and isinstance(offset, int) and offset > 0:
            return offset
    except (binascii.Error, ValueError, TypeError):
        pass
    raise ApiError("InvalidPaginationToken", "The pagination token is not valid.")


def tag_values(tags):
    """The filters that go by tags."""
    def find(name):
        if name == "tag-key":
            return list(tags)
        if name.startswith("tag:"):
            return [tags[name[4:]]] if name[4:] in tags else []
        return None
    return find


def select(call, items, fields, tags=None):
    """The items that pass the request's Filters. fields maps a filter's name to a function that gives its values (a string or a
    list of them); tags, when there are some, gives an item's.
    """
    for condition in call.params.get("Filters", []):
        name, values = condition.get("Name"), condition.get("Values")
        if not name or not values:
            raise ApiError("InvalidParameterValue", f"The filter '{name}' has no values")
        if len(values) > 200:
            raise ApiError("FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200")
        if name in fields:
            items = [item for item in items if passes(values, fields[name](item))]
        elif tags and (name == "tag-key" or (name.startswith("tag:") and len(name) > 4)):
            items = [item for item in items if passes(values, tag_values(tags(item))(name))]
        else:
            raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")
    return items


def passes(patterns, values):
    if not isinstance(values, (list, tuple, set)):
        values = [values]
    return any(matches(str(value), pattern) for value in values if value is not None for pattern in patterns)


def matches(value, pattern):
    """EC2 knows * and ?, but no [ ]."""
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))
