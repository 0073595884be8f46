"""What all measurements of bench/speed share: processes that are asked, medians, one table."""
import json
import os
import platform
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
BIN = os.path.join(ROOT, "build", "bench", "bin", "speed")
WORK = os.path.join(ROOT, "build", "bench", "speed")
DATA = os.environ.get("DATA") or os.path.join(ROOT, "..", "shared", "data")
SEED = int(os.environ.get("SEED") or 1)
ROUNDS = int(os.environ.get("ROUNDS") or 3)
SECONDS = float(os.environ.get("SECONDS") or 0.7)       # of one measurement, about
N_CORES = min(2, os.cpu_count())


def threads(n_omp, n_blas):
    """Environment of a process with so many threads, none of which spins while it waits."""
    return dict(os.environ, OMP_NUM_THREADS=str(n_omp), OPENBLAS_NUM_THREADS=str(n_blas), OMP_WAIT_POLICY="passive")


class Side:
    """A process that answers a line of JSON with a line of JSON."""

    def __init__(self, command, env=None):
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("a side of the measurement died: " + " ".join(self.process.args))
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def output_of(command, env=None):
    out = subprocess.run(command, env=env, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit("%s\n%s" % (" ".join(command), out.stderr))
    return out.stdout.strip()


def module_version(name):
    """Of a module of the system's Python, or None."""
    code = "import %s; print(%s.__version__)" % (name, name)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return out.stdout.strip() if out.returncode == 0 else None


def geometric_mean(ratios):
    return statistics.geometric_mean(ratios) if ratios else float("nan")


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def machine():
    """Where and when this was measured, as text."""
    load = os.getloadavg()[0]
    return "%s, %d cores, Linux %s, load %.1f when it began%s; seed %d, %d rounds, medians" % (
        cpu_name(), os.cpu_count(), platform.release(), load,
        " (BUSY: ratios are indications only)" if load > 0.5 else "", SEED, ROUNDS)


class Table:
    """Rows of Markdown, printed as soon as they are known."""

    def __init__(self, out, *columns):
        self.out = out
        self.write("| " + " | ".join(columns) + " |")
        self.write("|" + "---|" * len(columns))

    def row(self, *cells):
        self.write("| " + " | ".join(cells) + " |")

    def write(self, line):
        self.out(line)
