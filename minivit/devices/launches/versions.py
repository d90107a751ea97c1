"""Which version of a kernel was asked for."""


def check_version(name: str, version: int | None, versions: tuple[int, ...]) -> int | None:
    """The version, or None for the best that fits. Raises ValueError where there is none of that number."""
    if version is not None and version not in versions:
        raise ValueError(f"{name} has no version {version!r}, only {', '.join(map(str, versions))}")
    return version
