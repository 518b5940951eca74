"""CIFAR-10 by the real torchvision, whose code asks nobody for a CA file.

    python examples/torchvision_cifar10.py                          # what this machine is set up to trust
    python examples/torchvision_cifar10.py --cafile corp.crt        # this CA, and only this
    python examples/torchvision_cifar10.py --system                 # what the operating system trusts

It downloads 170 MB into ./data, from the data set's own home or from the mirror that --url names.
"""

from __future__ import annotations

import argparse

from torchvision.datasets import CIFAR10

from trusted_context import trusted_context


def main() -> None:
    """Download the data set, unless it is there, and say what it is."""
    parser = argparse.ArgumentParser(description="Download CIFAR-10 with torchvision.")
    parser.add_argument("--cafile", help="CA certificates to trust: a file or a folder")
    parser.add_argument("--system", action="store_true", default=None, help="trust the operating system's store")
    parser.add_argument("--insecure", metavar="HOST", action="append", default=[], help="do not verify this host")
    parser.add_argument("--url", default=CIFAR10.url, help="a mirror of the archive (its checksum stays CIFAR-10's)")
    parser.add_argument("--root", default="data", help="the folder to put it in (default: %(default)s)")
    options = parser.parse_args()

    CIFAR10.url = options.url
    with trusted_context(options.cafile, system=options.system, insecure=options.insecure) as block:
        print(block.describe())
        dataset = CIFAR10(options.root, download=True)

    image, label = dataset[0]
    print(f"{len(dataset)} images; the first has {image.size} pixels and is labelled {dataset.classes[label]!r}")


if __name__ == "__main__":
    main()
