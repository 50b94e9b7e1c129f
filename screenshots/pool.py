"""Two processes that lock each other out, one behind them, one that computes: for a picture of `ganger xray`."""
import multiprocessing as mp
import time


def convert(page, index, results):
    with page:
        time.sleep(0.5)
        with index:
            results.put("done")


def compute():
    while True:
        sum(range(200_000))
        time.sleep(0.05)


if __name__ == "__main__":
    page, index, results = mp.Lock(), mp.Lock(), mp.Queue()
    jobs = [
        mp.Process(target=convert, args=(page, index, results), name="one"),
        mp.Process(target=convert, args=(index, page, results), name="other"),
        mp.Process(target=convert, args=(page, index, results), name="third"),
        mp.Process(target=compute, daemon=True),
    ]
    for job in jobs:
        job.start()
    for job in jobs[:3]:
        job.join()
