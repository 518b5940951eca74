"""Programs that start a local cluster and fetch in its workers, and print what they saw.

Usage: clustering.py ENGINE URL CA_FILE
"""

import os
import signal
import sys
import time
import urllib.error
import urllib.request

from trusted_context import trusted_context


def outcome(url):
    """'ok', or the name of what fetching the URL ended in."""
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            response.read()
    except urllib.error.URLError as error:
        return type(error.reason).__name__
    return "ok"


def die():
    """End the worker as the kernel ends one that takes too much memory."""
    os._exit(1)


def dask(url, ca_file):
    """A cluster that was made before the block; a worker of it is killed, restarted, and added."""
    from distributed import Client, LocalCluster

    from trusted_context.dask import TrustedContextPlugin

    options = {"n_workers": 1, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:

        def fetched():
            return client.submit(outcome, url, pure=False).result(30)

        print("before", fetched())
        client.register_plugin(TrustedContextPlugin(trusted_context(ca_file)))
        os.unlink(ca_file)
        print("registered", fetched())
        before = set(client.scheduler_info()["workers"])
        for process in client.run(os.getpid).values():
            os.kill(process, signal.SIGKILL)
        until = time.monotonic() + 30
        while not set(client.scheduler_info()["workers"]) - before and time.monotonic() < until:
            time.sleep(0.1)
        print("killed", fetched())
        client.restart()
        print("restarted", fetched())
        cluster.scale(2)
        client.wait_for_workers(2, timeout=30)
        print("added", *client.run(outcome, url).values())
        client.unregister_worker_plugin("trusted-context")
        print("unregistered", *client.run(outcome, url).values())


def dask_inside(url, ca_file):
    """A cluster that is made inside a block needs no plugin."""
    from distributed import Client, LocalCluster

    options = {"n_workers": 1, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with trusted_context(ca_file), LocalCluster(**options) as cluster, Client(cluster) as client:
        print(client.submit(outcome, url).result(30))


def ray(url, ca_file):
    """A local Ray, of which a worker is killed."""
    import ray

    block = trusted_context(ca_file)
    hook = {"worker_process_setup_hook": block.start}
    ray.init(num_cpus=1, include_dashboard=False, object_store_memory=100_000_000, runtime_env=hook)
    os.unlink(ca_file)
    fetch = ray.remote(outcome)
    print("first", ray.get(fetch.remote(url), timeout=40))
    try:
        ray.get(ray.remote(max_retries=0)(die).remote(), timeout=40)
    except ray.exceptions.WorkerCrashedError:
        print("killed", ray.get(fetch.remote(url), timeout=40))
    print("driver", outcome(url))
    ray.shutdown()


def spark(url, ca_file):
    """A local cluster of Spark: the functions that its Python workers run are decorated."""
    from pyspark.sql import SparkSession

    block = trusted_context(ca_file)
    builder = SparkSession.builder.master("local-cluster[1,1,512]").config("spark.executor.memory", "512m")
    session = builder.config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1").getOrCreate()
    fetch = block(outcome)

    @block
    def fetch_all(urls):
        for one in urls:
            yield outcome(one)

    rows = session.sparkContext.parallelize([url] * 2, 1)
    print("map", rows.map(fetch).collect())
    print("mapPartitions", rows.mapPartitions(fetch_all).collect())
    print("undecorated", rows.map(outcome).collect())
    session.stop()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
