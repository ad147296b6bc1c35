"""Launch templates: CreateLaunchTemplate, DeleteLaunchTemplate, DescribeLaunchTemplates."""
import re

from . import action
from ..errors import ApiError
from ..idempotency import once
from ..paging import page, select
from ..specification import read_user_data
from ..tags import read_specifications
from ..templates import Template, find_template


@action
def create_launch_template(call):
    if call.params.get("TagSpecifications"):
        call.require("ec2:CreateTags")
    return once(call, lambda: make(call))


def make(call):
    params, region = call.params, call.region
    name = params["LaunchTemplateName"]
    if not re.fullmatch(r"[a-zA-Z0-9().\-/_]{3,128}", name):
        raise ApiError("InvalidLaunchTemplateName.MalformedException", "A launch template name must be between 3 and 128 "
                       "characters, and may contain letters, numbers, and the following characters: - ( ) . / _")
    if any(t.name == name for t in region.templates.values()):
        raise ApiError("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
    data = params["LaunchTemplateData"]
    read_user_data(data.get("UserData"))
    tags = read_specifications(params.get("TagSpecifications"), {"launch-template"}).get("launch-template", {})
    template = Template(name, params.get("VersionDescription"), data, tags, call.world.now())
    region.templates[template.id] = template
    return lambda: {"LaunchTemplate": template.describe()}


@action
def delete_launch_template(call):
    template = find_template(call.region, call.params.get("LaunchTemplateId"), call.params.get("LaunchTemplateName"))
    del call.region.templates[template.id]
    return {"LaunchTemplate": template.describe()}


FILTERS = {"launch-template-name": lambda t: t.name, "create-time": lambda t: t.describe()["CreateTime"]}


@action
def describe_launch_templates(call):
    ids, names = call.params.get("LaunchTemplateIds", []), call.params.get("LaunchTemplateNames", [])
    for one in ids:
        find_template(call.region, one, None)
    for one in names:
        find_template(call.region, None, one)
    templates = [t for t in call.region.templates.values() if (not ids or t.id in ids) and (not names or t.name in names)]
    part, rest = page(call, select(call, templates, FILTERS, lambda t: t.tags), low=1, high=200)
    return {"LaunchTemplates": [t.describe() for t in part], **rest}
