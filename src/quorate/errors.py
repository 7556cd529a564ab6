"""Every error that Quorate raises on purpose. Each message names the thing and the remedy."""


class QuorateError(Exception):
    """The base of all errors of this package."""


class ConfigurationError(QuorateError):
    """A setting, a file or a folder is missing, malformed or contradicts another."""


class StorageDamaged(QuorateError):
    """A file of a replica's storage is torn, rotten, missing or not its own. Names the file and what is wrong."""


class BackupRefused(QuorateError):
    """A backup's file is not what it was, or nobody vouches for what it holds. Names the file and what is wrong."""


class MalformedMessage(QuorateError):
    """Bytes that are not a message. The only error that decoding raises."""


class AuthenticationFailed(QuorateError):
    """A signature or a MAC does not match the bytes, or names an unknown sender."""


class InvariantViolation(QuorateError):
    """A rule that must always hold does not: a defect of ours. The replica stops."""


class RequestFailed(QuorateError):
    """A client's request did not get an answer that enough replicas vouch for."""


class RequestTimeout(RequestFailed):
    """No reply certificate came before the caller's time was up.

    The operation may or may not have been executed; it is never executed twice.
    """


class RequestRefused(RequestFailed):
    """The replicated state refused the request: unknown client, closed session, request too large."""


class PermissionDenied(RequestRefused):
    """The client may not do this: it may only read, it is no administrator, or the access table does not take it.
    Nothing of it was executed."""


class OperationFailed(RequestFailed):
    """The service raised while it executed the operation: a defect of the service."""


def require(condition: bool, rule: str) -> None:
    """Stop the replica when *rule* does not hold. Unlike `assert`, `python -O` keeps it."""
    if not condition:
        raise InvariantViolation(rule)
