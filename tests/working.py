"""A program that starts worker processes in and around blocks, run by test_workers.py: it prints what it saw.

Usage: working.py SCENE METHOD URL CA_FILE
"""

import concurrent.futures
import contextvars
import multiprocessing
import os
import sys
import threading
import urllib.error
import urllib.request

from trusted_context import current, trusted_context


def outcome(url):
    """'ok', or the name of what fetching the URL ended in."""
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            response.read()
    except urllib.error.URLError as error:
        return type(error.reason).__name__
    return "ok"


# Fetched by each spawned child while it imports this program.
AT_IMPORT = outcome(os.environ["AT_IMPORT"]) if __name__ == "__mp_main__" and "AT_IMPORT" in os.environ else None


def at_import(_url):
    return AT_IMPORT


def in_a_thread(url):
    """The outcome in a thread of the worker's own, which inherits no context."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return contextvars.Context().run(pool.submit, outcome, url).result()


def seen(url):
    """What a worker has: the outcomes in its main thread and another, and what governs it."""
    return outcome(url), in_a_thread(url), repr(current())


def trust(_url):
    return current().describe()


def ended(url):
    """The outcome once the worker itself ended its blocks, and the variables that are left then."""
    while block := current():
        block.stop()
    return outcome(url), variable(url)


def variable(_url):
    """The variable that OpenSSL reads."""
    return os.environ.get("SSL_CERT_FILE")


def ended_and_never_set(url):
    """A variable that a block exports and the user never set, once the worker itself ended its blocks."""
    ended(url)
    return os.environ.get("CURL_CA_BUNDLE")


def by_process(method, function, url):
    """By a Process alone."""
    context = multiprocessing.get_context(method)
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=answer, args=(send, function, url))
    process.start()
    send.close()
    try:
        return receive.recv()
    finally:
        process.join(20)


def answer(send, function, url):
    send.send(function(url))
    send.close()


def by_pool(method, function, url):
    with multiprocessing.get_context(method).Pool(1) as pool:
        return pool.apply_async(function, (url,)).get(50)


def by_executor(method, function, url):
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        return pool.submit(function, url).result(50)


def by_loky(_method, function, url):
    import loky

    with loky.ProcessPoolExecutor(1) as pool:
        return pool.submit(function, url).result(50)


def by_joblib(_method, function, url):
    import joblib

    found = joblib.Parallel(n_jobs=2)(joblib.delayed(function)(url) for _ in range(2))
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
    return found[0]


def by_multiprocess(method, function, url):
    import multiprocess

    with multiprocess.get_context(method).Pool(1) as pool:
        return pool.apply_async(function, (url,)).get(50)


class Items:
    """A data set of torch's, of one item: what *function* gives for the URL."""

    def __init__(self, function, url):
        self.function = function
        self.url = url

    def __len__(self):
        return 1

    def __getitem__(self, place):
        return self.function(self.url)


def load(method, function, url):
    """An iterator whose worker is started already."""
    from torch.utils.data import DataLoader

    return iter(DataLoader(Items(function, url), batch_size=None, num_workers=1, multiprocessing_context=method))


def by_dataloader(method, function, url):
    return next(load(method, function, url))


def loaded_by_a_worker_from_before(method, url, ca_file):
    """What is noted of the error that torch raises for a worker's, inside a block that the worker is not in."""
    batches = load(method, urllib.request.urlopen, url)
    try:
        with trusted_context(ca_file):
            next(batches)
    except urllib.error.URLError as error:
        print(error.__notes__[0].splitlines()[0])


def inside(way, method, url, ca_file):
    """A worker started inside a block, and one started after it."""
    start = globals()[f"by_{way}"]
    with trusted_context(ca_file):
        print(*start(method, seen, url))
    print(start(method, outcome, url))


def its_life(method, url, ca_file):
    """A worker that outlives the block it was started in, one that leaves it itself, and what the import met."""
    os.environ["AT_IMPORT"] = url
    context = multiprocessing.get_context(method)
    with trusted_context(ca_file):
        pool = context.Pool(1)
        print(pool.apply(at_import, (url,)), end=" ")
    with pool:
        print(pool.apply(outcome, (url,)), pool.apply(ended, (url,)))


def the_same_trust(method, url, ca_file):
    """What the block found when it was entered, though variables and files have changed since."""
    os.environ["SSL_CERT_FILE"] = str(ca_file)
    with trusted_context() as block:
        os.environ["SSL_CERT_FILE"] = "/nonexistent/corp.pem"
        os.rename(ca_file, f"{ca_file}.gone")
        print(by_process(method, outcome, url), by_process(method, trust, url) == block.describe())


def restarted(method, url, ca_file):
    """A pool whose workers each do one task: most are started by a thread of the pool's own."""
    with (
        trusted_context(ca_file),
        multiprocessing.get_context(method).Pool(1, maxtasksperchild=1) as pool,
    ):
        print([pool.apply_async(outcome, (url,)).get(50) for _ in range(3)])


def beside_another_thread(method, url, ca_file, make):
    """A worker of a thread that is in no block, while another thread is in the block that *make* makes."""
    entered, go_on = threading.Event(), threading.Event()

    def hold():
        with make(ca_file):
            entered.set()
            go_on.wait(50)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(20)
    print(by_process(method, outcome, url), outcome(url))
    go_on.set()
    holder.join()


def beside_insecure(method, url, ca_file):
    beside_another_thread(method, url, ca_file, lambda _: trusted_context(insecure=True))


def beside_local(method, url, ca_file):
    beside_another_thread(method, url, ca_file, lambda ca: trusted_context(ca, local=True))


def beside_verifying(method, url, ca_file):
    beside_another_thread(method, url, ca_file, trusted_context)


def in_an_insecure_block(method, url, _ca_file):
    """The thread's own insecure block."""
    with trusted_context(insecure=True):
        print(*by_process(method, seen, url))


def in_an_insecure_block_beside_a_verifying_one(method, url, ca_file):
    """The thread's own, which was not entered inside the one that governs other threads."""
    entered, go_on, verifying = threading.Event(), threading.Event(), threading.Event()

    def hold():
        entered.wait(20)
        with trusted_context(os.environ["OTHER_CA"]):
            verifying.set()
            go_on.wait(50)

    holder = threading.Thread(target=hold)
    holder.start()
    with trusted_context(insecure=True):
        entered.set()
        verifying.wait(20)
        print(*by_process(method, seen, url)[:2])
    go_on.set()
    holder.join()


def exported(method, url, ca_file):
    """The variables in workers of an exporting block, of a second one, of a plain one, and after all of them."""
    other = os.environ["OTHER_CA"]
    os.environ["SSL_CERT_FILE"] = "the user's"
    with trusted_context(ca_file, export=True):
        print(by_process(method, variable, url) == ca_file, by_process(method, ended, url))
        print(by_process(method, ended_and_never_set, url))
    with trusted_context(other, export=True):
        print(by_process(method, variable, url) == other)
    with trusted_context(ca_file):
        print(by_process(method, variable, url))
    print(by_process(method, variable, url))


def initialized(method, url, ca_file):
    """Pools that were made before the block, and are handed it."""
    block = trusted_context(ca_file)
    context = multiprocessing.get_context(method)
    with context.Pool(1, initializer=block.start) as pool:
        print("Pool", pool.apply(outcome, (url,)))
    with concurrent.futures.ProcessPoolExecutor(1, context, initializer=block.start) as pool:
        print("ProcessPoolExecutor", pool.submit(outcome, url).result(50))


def initialized_by_joblib(_method, url, ca_file):
    """joblib's workers, likewise."""
    import joblib

    with joblib.parallel_config(backend="loky", initializer=trusted_context(ca_file).start):
        print(*joblib.Parallel(n_jobs=2)(joblib.delayed(outcome)(url) for _ in range(2)))
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True)


def nested(method, url, ca_file):
    """A worker's worker."""
    context = multiprocessing.get_context(method)
    with trusted_context(ca_file), concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        print(pool.submit(by_process, method, outcome, url).result(50))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
