"""Tags: what EC2 lets through."""
from .errors import ApiError, bad_value


def check_tags(pairs, existing=None):
    """The tags of a list of {"Key", "Value"}, as a dictionary."""
    tags = dict(existing or {})
    seen = set()
    for pair in pairs:
        key, value = pair.get("Key"), pair.get("Value", "")
        if not key:
            raise ApiError("MissingParameter", "Tag must have a key")
        if key in seen:
            raise ApiError("InvalidParameterValue", f"Duplicate tag key '{key}' specified.")
        if key.lower().startswith("aws:"):
            raise ApiError("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
        if len(key) > 128:
            raise ApiError("InvalidParameterValue", f"Tag key exceeds the maximum length of 128 characters: {key}")
        if len(value) > 256:
            raise ApiError("InvalidParameterValue", "Tag value exceeds the maximum length of 256 characters")
        seen.add(key)
        tags[key] = value
    if len(tags) > 50:
        raise ApiError("TagLimitExceeded", "More than 50 tags specified")
    return tags


def read_specifications(specifications, allowed):
    """{resource type: tags} of TagSpecifications, for an action that tags only the allowed types."""
    result = {}
    for specification in specifications or []:
        kind = specification.get("ResourceType")
        if kind is None:
            raise ApiError("InvalidParameterValue", "Tag specification resource type must have a value")
        if kind not in allowed:
            raise ApiError("InvalidParameterValue", f"'{kind}' is not a valid taggable resource type for this operation.")
        if kind in result:
            raise ApiError("InvalidParameterValue", f"Duplicate resource type '{kind}' in tag specifications.")
        if not specification.get("Tags"):
            raise bad_value("", "TagSpecification", "Tag specification must have at least one tag")
        result[kind] = check_tags(specification["Tags"])
    return result
