"""AWS's own description of its services, as botocore has it: what a request may say, and what an answer looks like.

A request is a list of names and values (`Filter.1.Value.2=x`). parse() makes of it the structure that the operation's input
shape describes, and refuses what does not fit. serialise() writes a structure as the XML that the output shape describes;
what does not fit there is a mistake of this service, and raises TypeError.
"""
import base64
import binascii
import datetime
import functools
import re
import xml.etree.ElementTree as ET

import botocore.loaders
import botocore.model
import botocore.utils

from .errors import ApiError, bad_value, missing

# Members that EC2 knows under names which it, and not its model, says are invalid.
OPEN_ENUMS = {"InstanceType"}
# These stand in every request beside the parameters of its action.
COMMON = {"Action", "Version"}


class Service:
    """One service of AWS: its operations, and how names are spelled on the wire."""

    def __init__(self, name):
        loader = botocore.loaders.Loader()
        self.model = botocore.model.ServiceModel(loader.load_service_model(name, "service-2"), name)
        self.version = self.model.api_version
        self.names = frozenset(self.model.operation_names)
        self.ec2 = self.model.protocol == "ec2"

    def operation(self, action):
        if action not in self.names:
            raise ApiError("InvalidAction", f"The action {action} is not valid for this web service.")
        return self.model.operation_model(action)

    def wire_name(self, shape, member):
        """A member's name in a request; see botocore.serialize's EC2Serializer and QuerySerializer."""
        named = shape.serialization.get("name")
        if not self.ec2:
            return named or member
        capital = named[0].upper() + named[1:] if named else member
        return shape.serialization.get("queryName", capital)

    def parse(self, operation, pairs):
        """The request's parameters in the shape that the operation takes."""
        tree = grow(pairs)
        for name in COMMON:
            tree.pop(name, None)
        shape = operation.input_shape
        if shape is None:
            if tree:
                raise unknown(next(iter(tree)))
            return {}
        return self.parse_structure(shape, tree, "")

    def parse_any(self, shape, node, path):
        if shape.type_name == "structure":
            return self.parse_structure(shape, node, path)
        if shape.type_name == "list":
            return self.parse_list(shape, node, path)
        if not isinstance(node, str):
            raise unknown(path + "." + next(iter(node)))
        return SCALARS[shape.type_name](shape, node, path)

    def parse_structure(self, shape, node, path):
        if isinstance(node, str):
            raise bad_value(node, path, "It is a structure.")
        members = {self.wire_name(member, name): (name, member) for name, member in shape.members.items()}
        result = {}
        for key, child in node.items():
            where = f"{path}.{key}" if path else key
            if key not in members:
                raise unknown(where)
            name, member = members[key]
            result[name] = self.parse_any(member, child, where)
        for name in shape.required_members:
            if result.get(name) in (None, "", []):
                wire = self.wire_name(shape.members[name], name)
                raise missing(f"{path}.{wire}" if path else wire)
        return result

    def parse_list(self, shape, node, path):
        if isinstance(node, str):
            raise unknown(path) if node else bad_value(node, path, "It is a list.")
        if not self.ec2 and not shape.serialization.get("flattened"):
            if list(node) != ["member"]:
                raise unknown(path + "." + next(iter(node)))
            node = node["member"]
            path += ".member"
        for key in node:
            if not re.fullmatch(r"[1-9][0-9]{0,4}", key):
                raise unknown(f"{path}.{key}")
        indices = sorted(node, key=int)
        if int(indices[-1]) != len(indices):
            raise ApiError("InvalidParameter", f"The numbers of {path} leave some out: {', '.join(indices)}")
        check_range(shape, len(indices), path)
        return [self.parse_any(shape.member, node[key], f"{path}.{key}") for key in indices]


def unknown(path):
    return ApiError("UnknownParameter", f"The parameter {path} is not recognized")


def grow(pairs):
    """Nested dictionaries of dotted names; a leaf is a string."""
    tree = {}
    for name, value in pairs:
        node = tree
        *branches, leaf = name.split(".")
        for branch in branches:
            node = node.setdefault(branch, {})
            if isinstance(node, str):
                raise unknown(name)
        if leaf in node or not leaf:
            raise ApiError("InvalidParameterCombination", f"The parameter {name} may only be specified once")
        node[leaf] = value
    return tree


def check_range(shape, number, path):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and number < low) or (high is not None and number > high):
        raise bad_value(number, path, f"Expecting a number from {low} to {high}.")


def scalar_string(shape, text, path):
    enum = shape.metadata.get("enum")
    if enum and text not in enum and shape.name not in OPEN_ENUMS:
        raise bad_value(text, path)
    if any(key in shape.metadata for key in ("min", "max")):
        check_range(shape, len(text), path)
    return text


def scalar_integer(shape, text, path):
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ApiError("InvalidParameterValue", f"Invalid value '{text}' for {path}. It must be an integer.")
    check_range(shape, int(text), path)
    return int(text)


def scalar_float(shape, text, path):
    try:
        number = float(text)
    except ValueError:
        raise bad_value(text, path) from None
    check_range(shape, number, path)
    return number


def scalar_boolean(shape, text, path):
    if text not in ("true", "false"):
        raise ApiError("InvalidParameterValue", f"Invalid boolean value for {path}: {text}")
    return text == "true"


def scalar_timestamp(shape, text, path):
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text):
        raise bad_value(text, path, "It is not a date in the format 2022-12-31T23:59:59Z.")
    return botocore.utils.parse_timestamp(text).timestamp()


def scalar_blob(shape, text, path):
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise bad_value(text[:20], path, "It is not base64.") from None


SCALARS = {
    "string": scalar_string, "character": scalar_string, "integer": scalar_integer, "long": scalar_integer,
    "float": scalar_float, "double": scalar_float, "boolean": scalar_boolean, "timestamp": scalar_timestamp,
    "blob": scalar_blob,
}


def xml_name(shape, member):
    return shape.serialization.get("name", member)


def serialise(service, operation, result, request_id):
    """The answer's body, as bytes."""
    shape = operation.output_shape
    root = ET.Element(operation.name + "Response", xmlns=service.model.metadata.get("xmlNamespace", NAMESPACE_EC2))
    body = root
    if service.ec2:
        ET.SubElement(root, "requestId").text = request_id
    elif shape is not None:
        body = ET.SubElement(root, shape.serialization.get("resultWrapper", operation.name + "Result"))
    if shape is None:
        if service.ec2:
            ET.SubElement(root, "return").text = "true"
    else:
        add_members(body, shape, result or {}, operation.name)
    if not service.ec2:
        ET.SubElement(ET.SubElement(root, "ResponseMetadata"), "RequestId").text = request_id
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root)


NAMESPACE_EC2 = "http://ec2.amazonaws.com/doc/2016-11-15/"


def add_members(element, shape, value, path):
    surplus = set(value) - set(shape.members)
    if surplus:
        raise TypeError(f"{path}: no such member: {', '.join(sorted(surplus))}")
    for name, member in shape.members.items():
        if value.get(name) is not None:
            add(ET.SubElement(element, xml_name(member, name)), member, value[name], f"{path}.{name}")


def add(element, shape, value, path):
    if shape.type_name == "structure":
        add_members(element, shape, value, path)
    elif shape.type_name == "list":
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{path}: {value!r} is not a list")
        for i, item in enumerate(value):
            add(ET.SubElement(element, shape.member.serialization.get("name", "item")), shape.member, item, f"{path}[{i}]")
    else:
        element.text = TEXTS[shape.type_name](value, path)


def text_string(value, path):
    if not isinstance(value, str):
        raise TypeError(f"{path}: {value!r} is not a string")
    return value


def text_integer(value, path):
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{path}: {value!r} is not an integer")
    return str(value)


def text_boolean(value, path):
    if not isinstance(value, bool):
        raise TypeError(f"{path}: {value!r} is not a boolean")
    return "true" if value else "false"


def text_time(value, path):
    return iso_time(value, ".%03dZ" % (int(value * 1000) % 1000))


def iso_time(seconds, end="Z"):
    moment = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + end


TEXTS = {
    "string": text_string, "integer": text_integer, "long": text_integer, "boolean": text_boolean,
    "float": lambda value, path: str(float(value)), "double": lambda value, path: str(float(value)),
    "timestamp": text_time, "blob": lambda value, path: base64.b64encode(value).decode(),
}


def serialise_error(service, error, request_id):
    """EC2's own form, and the one of the other Query services."""
    if service.ec2:
        root = ET.Element("Response")
        element = ET.SubElement(ET.SubElement(root, "Errors"), "Error")
        ET.SubElement(root, "RequestID").text = request_id
    else:
        root = ET.Element("ErrorResponse", xmlns=service.model.metadata["xmlNamespace"])
        element = ET.SubElement(root, "Error")
        ET.SubElement(element, "Type").text = "Sender" if error.status < 500 else "Receiver"
        ET.SubElement(root, "RequestId").text = request_id
    ET.SubElement(element, "Code").text = error.code
    ET.SubElement(element, "Message").text = error.message
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root)


@functools.lru_cache(maxsize=None)
def service(name):
    """Loaded once: EC2's model is 2.7 MB."""
    return Service(name)
