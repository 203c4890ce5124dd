"""`python quick_snakemake.py ...` is `snakemake ...`, but looks at its jobs twice a second.

The plugin waits ten seconds longer after each look at which no job had ended.
"""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def nap(self) -> None:
    await asyncio.sleep(0.5)


RemoteExecutor.sleep = nap
sys.exit(main())
