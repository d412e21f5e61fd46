"""``python -m recurrent_memory`` is ``recurrent-memory``."""

from .cli.main import main

if __name__ == "__main__":
    main()
