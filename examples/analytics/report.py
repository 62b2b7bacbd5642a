#!/usr/bin/env python3
"""Cycle time, fallout rate and stuck orders by offering, from the exported event stream.

    orderstream topics tail orderstream.order.events --from beginning --json > events.ndjson
    python report.py events.ndjson

The answers are SQL: views.sql makes orders of events, report.sql asks. Any other question is another .sql file, given by --query.
"""
import argparse
import json
import pathlib
import sys

import duckdb

HERE = pathlib.Path(__file__).parent
# As `topics tail --json` writes it; the record itself stays JSON, so that new fields disturb nobody.
COLUMNS = {"key": "VARCHAR", "record": "VARCHAR", "partition": "INTEGER", "offset": "BIGINT", "value": "JSON"}
# The largest record, in bytes.
RECORD_BYTES_MAX = 64 << 20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", help="what `orderstream topics tail orderstream.order.events --from beginning --json` wrote")
    parser.add_argument("--query", default=HERE / "report.sql", help="a file with the question; report.sql without it")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    arguments = parser.parse_args()
    try:
        found = ask(arguments.events, pathlib.Path(arguments.query))
        if arguments.json:
            print(json.dumps([dict(zip(found.columns, row)) for row in found.fetchall()], default=str))
        else:
            found.show(max_width=200, max_rows=1_000)
    except (OSError, duckdb.Error) as error:
        sys.exit(f"report.py: {str(error).splitlines()[0]}")


def ask(events, query):
    if not pathlib.Path(events).is_file():
        raise OSError(f'there is no file "{events}"')
    database = duckdb.connect()
    exported = database.read_json(
        events, format="newline_delimited", columns=COLUMNS, maximum_object_size=RECORD_BYTES_MAX
    )
    exported.create("exported")
    for statement in duckdb.extract_statements((HERE / "views.sql").read_text()):
        database.execute(statement)
    return database.sql(query.read_text())


if __name__ == "__main__":
    main()
