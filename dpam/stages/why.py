"""Say in words what `snakemake` would run now, and for which reason.

Run it in the repository's top folder, with the configuration files that snakemake would get:

  dpam why --configfile my.yaml
"""

import argparse

from dpam.reruns import explained, planned


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    parser.add_argument(
        "--configfile", metavar="FILE", nargs="+", default=[], help="laid over config.yaml in turn"
    )


def run(args: argparse.Namespace) -> None:
    """Print the sentences."""
    print(explained(planned(args.configfile)))
