"""Train one network of the paper's tethered experiments; see --help."""

from recurrent_memory.cli.published import run_script

if __name__ == "__main__":
    run_script("tethered")
