"""What a request is refused with."""


class ApiError(Exception):
    """An error as AWS names it: a code, a message, and the HTTP status that goes with it."""

    def __init__(self, code, message, status=400):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def bad_value(value, parameter, why=""):
    return ApiError("InvalidParameterValue", f"Value ({value}) for parameter {parameter} is invalid. {why}".rstrip())


def bad_combination(message):
    return ApiError("InvalidParameterCombination", message)


def missing(parameter):
    return ApiError("MissingParameter", f"The request must contain the parameter {parameter}")


def unauthorized():
    return ApiError("UnauthorizedOperation", "You are not authorized to perform this operation.", 403)


def auth_failure():
    return ApiError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
