"""Launch templates."""
from .errors import ApiError
from .iam import ACCOUNT
from .ids import new_id


class Template:
    """One with a single version, which is what this service makes."""

    def __init__(self, name, description, data, tags, created):
        self.id = new_id("lt")
        self.name = name
        self.description = description
        self.data = data
        self.tags = tags
        self.created = created

    def describe(self):
        return {"LaunchTemplateId": self.id, "LaunchTemplateName": self.name, "CreateTime": self.created,
                "CreatedBy": f"arn:aws:iam::{ACCOUNT}:user/test", "DefaultVersionNumber": 1, "LatestVersionNumber": 1,
                "Tags": [{"Key": k, "Value": v} for k, v in self.tags.items()]}

    def dump(self):
        return {"id": self.id, "name": self.name, "tags": self.tags, "data": self.data}


def find_template(region, template_id, name):
    if (template_id is None) == (name is None):
        raise ApiError("InvalidParameterCombination", "Either the launch template's ID or its name must be specified, not both.")
    for template in region.templates.values():
        if template_id == template.id or name == template.name:
            return template
    if template_id is not None:
        raise ApiError("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID "
                       f"{template_id}, does not exist.")
    raise ApiError("InvalidLaunchTemplateName.NotFoundException", "The specified launch template, with template name "
                   f"{name}, does not exist.")


def template_data(region, reference):
    """What a LaunchTemplateSpecification means."""
    template = find_template(region, reference.get("LaunchTemplateId"), reference.get("LaunchTemplateName"))
    version = reference.get("Version", "$Default")
    if version not in ("1", "$Default", "$Latest"):
        raise ApiError("InvalidLaunchTemplateId.VersionNotFound", f"Could not find launch template version {version} for the "
                       f"specified launch template ID {template.id}.")
    return template.data
