"""The one exception of this package."""


class GeneralsError(ValueError):
    """A question that cannot be put to the generals; the message says what is wrong and what would do."""
