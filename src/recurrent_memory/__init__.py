"""Train recurrent networks on short-term memory tasks and measure how sequentially they remember.

The public names are those of ``__init__.pyi``. They are loaded on first use, so that the import itself takes no time:
a command is imported from here, and until it can handle signals, Ctrl-C ends in a traceback.
"""

_lazy = None


def __getattr__(name: str) -> object:
    global _lazy
    if name == "__version__":
        from importlib import metadata

        try:
            return metadata.version("recurrent-memory")
        except metadata.PackageNotFoundError:  # used from a clone that is not installed
            return "unknown"
    if _lazy is None:
        import lazy_loader

        _lazy = lazy_loader.attach_stub(__name__, __file__)
    public, _, names = _lazy
    return names if name == "__all__" else public(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__"), "__version__"})  # type: ignore[misc]
