"""Train one network on two tasks of the paper: COMP, then 2AFC; see --help."""

from recurrent_memory.cli.published import run_multitask

if __name__ == "__main__":
    run_multitask("comp", "2afc")
