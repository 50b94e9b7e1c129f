#!/usr/bin/env python3
"""What looking for deadlocks costs, whether it is right for hours, and whether anybody notices.

    benches/xray.py soak [SECONDS]   healthy programs, looked at continually: findings must be 0
    benches/xray.py cost             a tick, a look, `ganger why --watch`; 100 and 1000 processes
    benches/xray.py latency          from the hang to the verdict
    benches/xray.py disturb          throughput with and without; calls that ended with EINTR

Builds ganger for release first, or measures GANGER and XRAY_WATCHER. Soaking takes 30 minutes
unless told otherwise, uses the healthy programs of tests/deadlocks, and besides, where they are
installed, stress-ng, a build of a small crate and pgbench.
"""
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = os.path.join(PROJECT, "tests", "deadlocks")
PIPE = subprocess.PIPE


def build():
    release = os.path.join(PROJECT, "target", "release")
    ganger, watcher = os.environ.get("GANGER"), os.environ.get("XRAY_WATCHER")
    if not (ganger and watcher):
        subprocess.run(["cargo", "build", "--release", "--quiet", "--bin", "ganger",
                        "--example", "xray_watcher"], cwd=PROJECT, check=True)
    return (ganger or os.path.join(release, "ganger"),
            watcher or os.path.join(release, "examples", "xray_watcher"))


def machine():
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} CPUs, Linux {os.uname().release}, load {load:.1f}"


def healthy_programs():
    """Name, build command, run command of every healthy program. The manifests are regular: no
    parser of YAML is needed for these three keys."""
    found = []
    for name in sorted(os.listdir(PROGRAMS)):
        if not name.endswith(".yaml"):
            continue
        with open(os.path.join(PROGRAMS, name)) as f:
            entries = re.split(r"^  - id: ", f.read(), flags=re.M)[1:]
        for entry in entries:
            keys = dict(re.findall(r"^    (build|run|kind|needs|seen_by): (.*)$", entry, re.M))
            tools = re.findall(r"[\w./-]+", keys.get("needs", ""))
            if keys["kind"] == "healthy" and all(map(shutil.which, tools)):
                run = keys["run"].strip('"')
                found.append((entry.split("\n")[0], keys.get("build"), run, keys.get("seen_by")))
    return found


def step_back():
    """Takes what CPU time is left over, and neither more nor less than the others of its kind."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    try:
        with open("/proc/self/autogroup", "w") as f:
            f.write("19")
    except OSError:
        pass  # not every kernel has groups of sessions


class Load:
    """A program in a session of its own, with its standard input kept open."""

    def __init__(self, name, command, folder, env):
        self.name, self.leftovers = name, []
        self.process = subprocess.Popen(["bash", "-c", command], cwd=folder, env=env, stdin=PIPE,
                                        stdout=PIPE, stderr=subprocess.DEVNULL,
                                        start_new_session=True, preexec_fn=step_back, text=True)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            if line.startswith("leaves "):
                self.leftovers.append(line.split()[1:])

    def end(self):
        """Ends all of its session; multiprocessing's tracker of semaphores, which then has time
        to remove them, last."""
        deadline = time.monotonic() + 5
        while members := session(self.process.pid):
            late = time.monotonic() > deadline
            for pid, words in members:
                if late or b"resource_tracker" not in words:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            time.sleep(0.01)
            self.process.poll()
        self.process.wait()
        for flag, number in self.leftovers:
            subprocess.run(["ipcrm", flag, number], stderr=subprocess.DEVNULL)


def session(sid):
    members = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                words = f.read().rpartition(")")[2].split()
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                command = f.read()
        except OSError:
            continue
        if words[3] == str(sid) and (words[0] not in "ZX" or words[17] != "1"):
            members.append((int(pid), command))
    return members


def other_loads(scratch):
    """Name and command of what others made."""
    loads = []
    if shutil.which("stress-ng"):
        for kind in ["futex", "sem", "sem-sysv", "flock", "lockf", "lockofd", "pipe", "fork", "mutex",
                     "mq", "msg", "poll", "epoll", "eventfd", "sock", "sockpair", "fifo", "clone",
                     "vfork", "pthread", "switch", "locka", "semaphore", "shm", "wait", "daemon"]:
            # Not every version has every kind.
            loads.append((f"stress-ng {kind}", f"while :; do stress-ng --{kind} 2 --timeout 60s "
                          f"--temp-path {scratch} >/dev/null 2>&1 || sleep 600; done"))
    if shutil.which("cargo"):
        crate = os.path.join(scratch, "crate")
        os.makedirs(os.path.join(crate, "src"))
        with open(os.path.join(crate, "Cargo.toml"), "w") as f:
            f.write('[package]\nname = "small"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n')
        with open(os.path.join(crate, "src", "main.rs"), "w") as f:
            f.write('fn main() { println!("{:?}", (1..9).map(|n| n * n).collect::<Vec<_>>()); }\n')
        with open(os.path.join(crate, "build.rs"), "w") as f:
            f.write("fn main() {}\n")
        loads.append(("cargo build", f"cd {crate} && while :; do cargo build -q --offline; "
                      "cargo clean -q; done"))
    postgres = sorted(os.path.join("/usr/lib/postgresql", v, "bin")
                      for v in os.listdir("/usr/lib/postgresql")) \
        if os.path.isdir("/usr/lib/postgresql") else []
    if postgres and shutil.which("pgbench") and os.getuid() != 0:
        b = postgres[-1]
        loads.append(("pgbench", f"cd {scratch} && {b}/initdb -D pg -A trust >/dev/null && "
                      f"({b}/postgres -D pg -h '' -k {scratch} & sleep 5; pgbench -h {scratch} -i "
                      f"-q postgres; while :; do pgbench -h {scratch} -c 6 -j 2 -T 30 postgres; "
                      "done)"))
    elif postgres and shutil.which("pgbench") and shutil.which("runuser"):
        b, home = postgres[-1], os.path.join(scratch, "pg")
        loads.append(("pgbench", f"install -d -o postgres {home} && cd {home} && "
                      f"{b}/../bin/initdb --version >/dev/null; runuser -u postgres -- bash -c '"
                      f"{b}/initdb -D {home}/data -A trust >/dev/null && ({b}/postgres -D "
                      f"{home}/data -h \"\" -k {home} & sleep 5; pgbench -h {home} -i -q postgres; "
                      f"while :; do pgbench -h {home} -c 6 -j 2 -T 30 postgres; done)'"))
    return loads


def soak(seconds):
    _, watcher = build()
    # Ends properly however it is told to.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    scratch = tempfile.mkdtemp(prefix="ganger-soak.")
    os.chmod(scratch, 0o755)
    os.makedirs(os.path.join(scratch, "tmp"))
    os.chmod(os.path.join(scratch, "tmp"), 0o1777)
    env = dict(os.environ, TMPDIR=os.path.join(scratch, "tmp"))
    built, todo = {}, []
    is_root = os.getuid() == 0
    for name, command, run, seen_by in healthy_programs():
        if seen_by and is_root != (seen_by == "root"):
            continue
        out = ""
        if command:
            if command not in built:
                built[command] = os.path.join(scratch, f"bin{len(built)}")
                subprocess.run(command.replace("{out}", built[command]), shell=True, check=True,
                               cwd=PROGRAMS)
            out = built[command]
        todo.append((name, run.replace("{out}", out), PROGRAMS))
    todo += [(name, command, scratch) for name, command in other_loads(scratch)]
    # Some at a time, of all kinds: what many leave of a CPU is too little to get anywhere.
    n_groups = -(-len(todo) // 20)
    groups = [todo[at::n_groups] for at in range(n_groups)]
    print(f"{len(todo)} programs, about 20 at a time, for {seconds:.0f} s; {machine()}", flush=True)
    sums, failed = {}, False
    try:
        for group in groups:
            failed |= soak_group(group, seconds / n_groups, watcher, env, sums)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{sums['looks']} looks at {sums['trees']} programs ({sums['alive']} to the end): "
          f"{sums['threads']} states of threads, {sums['waits']} waits, "
          f"{sums['findings']} findings")
    return 1 if sums["findings"] or failed else 0


def soak_group(group, seconds, watcher, env, sums):
    loads = []
    try:
        loads += [Load(name, command, folder, env) for name, command, folder in group]
        names = {load.process.pid: load.name for load in loads}
        watch = subprocess.Popen([watcher, "soak", "10", *map(str, names)], stdin=PIPE, stdout=PIPE,
                                 text=True)

        def listen():
            for line in watch.stdout:
                said = json.loads(line)
                if "finding" in said:
                    print("FINDING", names[said["pid"]], json.dumps(said), flush=True)
                elif "ended" in said:
                    print("ended:", names[said["ended"]], flush=True)
                else:
                    for key, value in said.items():
                        sums[key] = sums.get(key, 0) + value

        listener = threading.Thread(target=listen)
        listener.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and watch.poll() is None:
            time.sleep(0.5)
        watch.stdin.close()
        listener.join()
        return watch.wait() != 0
    finally:
        for load in loads:
            load.end()


class Undisturbed:
    """One of the programs of clients/undisturbed.c, once it has said that it is ready."""

    def __init__(self, binary, *words):
        self.process = subprocess.Popen([binary, *words], stdin=PIPE, stdout=PIPE, text=True,
                                        start_new_session=True)
        self.pid = int(self.process.stdout.readline().split()[1])

    def line(self):
        return self.process.stdout.readline().split()

    def end(self):
        said = self.process.communicate("\n")[0]
        return said


def undisturbed(scratch):
    binary = os.path.join(scratch, "undisturbed")
    subprocess.run(["cc", "-O2", "-pthread", "-o", binary,
                    os.path.join(PROJECT, "benches", "clients", "undisturbed.c")], check=True)
    return binary


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        words = f.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) / 1024


def cost():
    ganger, watcher = build()
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        binary = undisturbed(scratch)
        for n in (100, 1000):
            program = Undisturbed(binary, "blocked", str(n))
            said = subprocess.run([watcher, "cost", "10", "10", str(program.pid)], stdout=PIPE,
                                  text=True, check=True).stdout
            for line in said.splitlines():
                one = json.loads(line)
                print(f"{n} blocked processes: a {one['what']} takes {one['median_us']} us; at "
                      f"10 Hz {one['cpu_percent']:.2f} % of a core; {one['rss_kib'] / 1024:.1f} MiB")
            why = subprocess.Popen([ganger, "why", str(program.pid), "--json", "--watch"],
                                   stdout=subprocess.DEVNULL)
            time.sleep(5)
            before = cpu_s(why.pid)
            time.sleep(20)
            print(f"{n} blocked processes: `ganger why --watch` takes "
                  f"{(cpu_s(why.pid) - before) / 20 * 100:.2f} % of a core, "
                  f"{rss_mib(why.pid):.1f} MiB")
            why.kill()
            why.wait()
            program.end()


def latency():
    ganger, _ = build()
    print(machine())
    took = []
    with tempfile.TemporaryDirectory() as scratch:
        binary = undisturbed(scratch)
        for _ in range(15):
            program = Undisturbed(binary, "hang")
            why = subprocess.Popen([ganger, "why", str(program.pid), "--json", "--watch"],
                                   stdout=PIPE, text=True)
            json.loads(why.stdout.readline())
            program.process.stdin.write("\n")
            program.process.stdin.flush()
            hung = float(program.line()[1])
            while json.loads(why.stdout.readline())["verdict"] != "deadlock":
                pass
            took.append(time.clock_gettime(time.CLOCK_MONOTONIC) - hung)
            why.kill()
            why.wait()
            program.end()
    print(f"from the hang to the verdict of `ganger why --watch`: median "
          f"{statistics.median(took):.2f} s, longest {max(took):.2f} s, of {len(took)}")


def disturb():
    _, watcher = build()
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        binary = undisturbed(scratch)
        program = Undisturbed(binary, "eintr")
        watch = subprocess.Popen([watcher, "soak", "10", str(program.pid)], stdin=PIPE, stdout=PIPE,
                                 text=True)
        time.sleep(20)
        watch.stdin.close()
        looks = json.loads(watch.stdout.read().splitlines()[-1])["looks"]
        print(f"in {looks} looks:", "; ".join(program.end().strip().split("\n")))
        results = {False: [], True: []}
        for turn in range(10):
            watched = turn % 2 == 1
            work = subprocess.Popen([binary, "work", "4"], stdout=PIPE, text=True)
            watch = watched and subprocess.Popen([watcher, "soak", "10", str(work.pid)], stdin=PIPE,
                                                 stdout=subprocess.DEVNULL)
            results[watched].append([float(w) for w in work.communicate()[0].split()])
            if watch:
                watch.stdin.close()
                watch.wait()
        for at, what in enumerate(["bytes to and fro through pipes", "turns at a mutex"]):
            alone, looked_at = (statistics.median(r[at] for r in results[k]) for k in (False, True))
            print(f"{what}, a second: {alone:.0f} alone, {looked_at:.0f} looked at ten times a "
                  f"second ({(looked_at / alone - 1) * 100:+.1f} %)")


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    acts = {"soak": lambda: soak(float(sys.argv[2]) if len(sys.argv) > 2 else 1800.0),
            "cost": cost, "latency": latency, "disturb": disturb}
    if what not in acts:
        sys.exit(__doc__)
    sys.exit(acts[what]())
