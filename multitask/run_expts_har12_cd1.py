"""Train one network on two tasks of the paper: 2AFC, then CD-1; see --help."""

from recurrent_memory.cli.published import run_multitask

if __name__ == "__main__":
    run_multitask("2afc", "cd1")
