from multiprocessing.pool import Pool
