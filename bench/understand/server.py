"""What the parts that talk to run.sh's server have in common: psql finds it by its environment."""
import gzip
import os
import subprocess

LIMIT = int(os.environ.get("LIMIT") or 0)
OPTIONS = os.environ.get("OPTIONS") or "{}"


def sql(text):
    """The fields of each row that a script answers; no field may hold a tab or a line end."""
    done = subprocess.run(["psql", "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1"],
                          input="SET client_min_messages = warning;\n" + text, text=True, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return [line.split("\t") for line in done.stdout.split("\n")[:-1]]


def load(table, folder, part, limit=0):
    """A file of a data set as a table of texts, in its order."""
    path = os.path.abspath(os.path.join(folder, part + ".tsv.gz"))
    with gzip.open(path, "rt", newline="\n") as file:
        names = file.readline().rstrip("\n").split("\t")
    columns = ", ".join(f'"{name}" text' for name in names)
    limit = min(x for x in (limit, LIMIT, 10 ** 9) if x)
    sql(f"""DROP TABLE IF EXISTS {table} CASCADE;
        CREATE TABLE {table} ({columns});
        \\copy {table} FROM PROGRAM 'zcat {path} | head -n {limit + 1}' WITH (FORMAT csv, HEADER, DELIMITER E'\\t', QUOTE E'\\b', NULL '\\N')
        ALTER TABLE {table} ADD COLUMN id serial PRIMARY KEY""")


def text_of(column):
    """A text in one line."""
    return f"regexp_replace({column}, '\\s+', ' ', 'g')"
