"""Clients with TLS of their own, run one in a process: ``python native_clients.py CLIENT URL CAFILE [export]``.

What came of the one request is printed as JSON: ``null`` where the server was verified, else what explain() says.
"""

import json
import os
import sys
import tempfile

from trusted_context import explain, trusted_context


def by_curl_cffi(url):
    import curl_cffi.requests

    curl_cffi.requests.get(url, timeout=5)


def by_grpc(url):
    import grpc

    address = url.removeprefix("https://").rstrip("/")
    channel = grpc.secure_channel(address, grpc.ssl_channel_credentials())
    channel.unary_unary("/service/method")(b"", timeout=5)


def by_polars(url):
    import polars as pl

    pl.scan_csv(f"{url}x.csv", storage_options={"max_retries": 0}).collect()


def by_pyarrow(url):
    from pyarrow import fs

    address = url.removeprefix("https://").rstrip("/")
    once = fs.AwsStandardS3RetryStrategy(max_attempts=1)
    keys = {"access_key": "a", "secret_key": "b"}
    fs.S3FileSystem(endpoint_override=address, scheme="https", retry_strategy=once, **keys).get_file_info("x/y")


def by_pycurl(url):
    import pycurl

    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.WRITEFUNCTION, lambda _data: None)
    handle.perform()


def by_rasterio(url):
    import rasterio

    rasterio.open(f"/vsicurl/{url}x.tif")


def by_wandb(url):
    with tempfile.TemporaryDirectory() as folder:
        settings = {"WANDB_API_KEY": "a" * 40, "WANDB_BASE_URL": url.rstrip("/"), "WANDB_DIR": folder}
        os.environ |= {**settings, "WANDB_SILENT": "true"}
        import wandb

        wandb.init(project="x", settings=wandb.Settings(init_timeout=20))


CALLS = {name.removeprefix("by_"): call for name, call in list(globals().items()) if name.startswith("by_")}


def main():
    client, url, cafile, *export = sys.argv[1:]
    try:
        with trusted_context(cafile, export=bool(export)):
            CALLS[client](url)
    except Exception as error:  # noqa: BLE001  # whatever the client makes of it
        explanation = explain(error)
        found = explanation and {"cause": explanation.cause, "host": explanation.host, "text": str(explanation)}
        print(json.dumps(found and found | {"notes": getattr(error, "__notes__", [])}))
    else:
        print("null")


if __name__ == "__main__":
    main()
