"""Group many classes into few: `python scripts/coarse_labels.py FILE --label category --groups 9`.

Class names are encoded and clustered; the file is written again with the group of each row's class,
and the class names are printed as anchors for a recipe.
"""

from pathlib import Path
from typing import Annotated

import duckdb
import typer
import yaml

from console import console, run
from embfeast import EmbfeastError, Encoder
from embfeast.plugin.database import quote
from embfeast.scaffold.loading import check_columns, columns_of, scan_file
from embfeast.tricks import ClusterFeatures


def main(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON Lines.")],
    out: Annotated[Path, typer.Option(help="CSV to write, with a column `coarse`.")],
    label: Annotated[str, typer.Option(help="Column of the classes.")] = "category",
    groups: Annotated[int, typer.Option(help="Number of groups.")] = 9,
    anchors: Annotated[Path | None, typer.Option(help="YAML to write, a phrase a class.")] = None,
) -> None:
    """Write the file with a coarser label."""
    source = scan_file(file)
    with duckdb.connect() as connection:
        check_columns(columns_of(connection, source, file), file, [label], None, None, None)
        names = [
            row[0]
            for row in connection.sql(
                f"SELECT DISTINCT {quote(label)} FROM {source} "
                f"WHERE {quote(label)} IS NOT NULL ORDER BY 1"
            ).fetchall()
        ]
        if len(names) < groups:
            raise EmbfeastError(f"{label} has {len(names)} classes, fewer than {groups} groups")
        said = [name.replace("_", " ").strip("? ") for name in names]
        vectors = Encoder().encode(said)
        found = ClusterFeatures(groups, outputs=("label",)).fit_transform(vectors)[:, 0]
        connection.sql("CREATE TABLE coarse (fine VARCHAR, coarse VARCHAR)")
        connection.executemany(
            "INSERT INTO coarse VALUES (?, ?)",
            [(name, f"group_{int(group)}") for name, group in zip(names, found, strict=True)],
        )
        connection.sql(
            f"SELECT t.*, coarse FROM {source} t JOIN coarse ON fine = t.{quote(label)}"
        ).write_csv(str(out))
    if anchors:
        phrases = dict(zip(names, said, strict=True))
        anchors.write_text(yaml.safe_dump(phrases, sort_keys=False), encoding="utf-8")
    console.print(f"{len(names)} classes in {groups} groups: {out}")


if __name__ == "__main__":
    run(main)
