"""What worker processes do that fail, for test_worker_errors.py, and the pools that they are started by."""

import concurrent.futures
import contextlib
import importlib
import multiprocessing
import ssl

import failing
from issuing import stranger
from servers import fetch

from trusted_context import explain, trusted_context


def download(client, url):
    """By that function of failing.py."""
    getattr(failing, client)(url)


def download_in_a_block(client, url, cafile):
    """The same, in a block of the worker's own."""
    with trusted_context(cafile):
        download(client, url)


def download_by_a_context(url):
    """By a context of the caller's own, which trusts another CA."""
    fetch(url, context=trusted_context(stranger().pem).ssl_context())


def download_by_a_context_for(url, cafile):
    """By a context of the caller's own, which trusts those CAs."""
    fetch(url, context=ssl.create_default_context(cafile=cafile))


def told(client, url, cafile):
    """What explain() says in the worker of a failure in a block there."""
    try:
        download_in_a_block(client, url, cafile)
    except Exception as error:  # noqa: BLE001  # whatever the client makes of it
        return str(explain(error))
    return None


@contextlib.contextmanager
def by_pool():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool.apply


@contextlib.contextmanager
def by_executor():
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield lambda function, arguments: pool.submit(function, *arguments).result(50)


@contextlib.contextmanager
def by_loky():
    with importlib.import_module("loky").ProcessPoolExecutor(1) as pool:
        yield lambda function, arguments: pool.submit(function, *arguments).result(50)


@contextlib.contextmanager
def by_joblib():
    joblib = importlib.import_module("joblib")
    with joblib.Parallel(n_jobs=2) as parallel:
        try:
            yield lambda function, arguments: parallel([joblib.delayed(function)(*arguments)] * 2)[0]
        finally:
            joblib.externals.loky.get_reusable_executor().shutdown(wait=True)


@contextlib.contextmanager
def by_multiprocess():
    with importlib.import_module("multiprocess").get_context("spawn").Pool(1) as pool:
        yield pool.apply
