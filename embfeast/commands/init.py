"""`embfeast init`: look at a table of texts and write a feature repository for it."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from embfeast.commands import options
from embfeast.commands.console import print_json, print_table, progress

# Of a table's columns.
MOST_SHOWN = 40


def init(
    repo: Annotated[Path, typer.Argument(help="A new folder, or an existing Feast repository.")],
    database: Annotated[
        str | None, typer.Option(help="DuckDB file, or a folder of Parquet; s3:// too.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="Its table; default: its only one.")] = None,
    query: Annotated[str | None, typer.Option(help="One SELECT instead of a table.")] = None,
    file: Annotated[
        str | None,
        typer.Option(help="CSV, Parquet or JSON Lines instead of a database; s3:// too."),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="What parts the fields of a CSV; default: found.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of the file; default: found.")] = None,
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="The first line names columns.")
    ] = None,
    quotes: Annotated[
        bool | None, typer.Option("--quotes/--no-quotes", help="Quotes enclose fields.")
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="Text column; several are joined. Default: found.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="Key column; several times if composite.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="When a text became true: a column, or one moment for all.")
    ] = None,
    time_format: Annotated[
        str | None,
        typer.Option(help="How it reads: year, excel, s, ms, day-first, month-first, %d.%m.%Y, …"),
    ] = None,
    created: Annotated[str | None, typer.Option(help="When it was known: a column.")] = None,
    label: Annotated[str | None, typer.Option(help="What a model is to predict.")] = None,
    pairs: Annotated[
        str | None, typer.Option(help="The other text's key, for features of pairs.")
    ] = None,
    pair: Annotated[
        bool, typer.Option("--pair", help="Two --text of a row are a pair, say of questions.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="What one text is, say review.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Encoder: a folder or hub id. Default: all-MiniLM-L6-v2.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    json: options.Json = False,
) -> None:
    """Look at a table of texts, propose a recipe, and write a feature repository.

    Nothing is ever overwritten, and the table is only read.

    Example: embfeast init my_repo --database reviews.duckdb --label stars
    """
    from embfeast.scaffold.delimited import Layout
    from embfeast.scaffold.place import KNOWN, find_place, moment_of
    from embfeast.scaffold.plan import Plan, key_types, text_name
    from embfeast.scaffold.proposal import propose
    from embfeast.scaffold.repository import check_target, write_repository
    from embfeast.scaffold.roles import Roles, find_roles, take_first
    from embfeast.scaffold.survey import draw, survey
    from embfeast.scaffold.text_pairs import TEXT, check_pair, find_pairs
    from embfeast.scaffold.times import read_times

    check_target(repo)
    moment = moment_of(time)
    given = Roles(
        tuple(text or ()), tuple(key or ()), KNOWN if moment else time, created, label, pairs
    )
    if pair:
        check_pair(given)
    asking = not (yes or json) and sys.stdin.isatty()
    layout = Layout(delimiter, encoding, header, quotes)
    with find_place(
        repo, database=database, file=file, table=table, query=query, layout=layout
    ) as place:
        place = place.since(moment) if moment else place
        choose = _ask if asking else take_first
        called, two = text_name(name or (TEXT if pair else None), place), None
        with ExitStack() as stack:
            opened = stack.enter_context(place.open())
            wanted = [name for name in (given.time, given.created) if name]
            turned, notes = read_times(opened, wanted, time_format, _ask if asking else None)
            if turned:
                place = place.replacing(turned)
                opened = stack.enter_context(place.open())
            if pair:
                two = find_pairs(opened, place, given, choose, called)
                place, given, notes = two.place, two.roles, [*notes, *two.roles.notes]
                opened = stack.enter_context(place.open())
            roles = find_roles(opened, given, choose)
            counted = survey(opened, roles)
            told = [*place.notes, *notes, *roles.notes, *counted.notes]
            roles = replace(roles, notes=tuple(dict.fromkeys(told)))
            sample = draw(opened, roles, counted.as_of)
            types = key_types(opened, roles)
            if not json:
                _say_what_was_seen(opened, roles, counted, sample)
        encoder = _encoder(model)
        with progress("encoding a sample", quiet=json) as (bar, task):
            proposal = propose(
                sample.texts,
                encoder,
                label=roles.label,
                labels=counted.labels,
                pairs=roles.pairs is not None,
                entity=roles.entity,
                progress=lambda what, share: bar.update(task, description=what, completed=share),
            )
        plan = Plan(
            repo, called, encoder.model, place, roles, counted, sample, proposal, types, two
        )
        files = write_repository(repo, plan.values())
        place.move_into(repo)
    if json:
        written = [str(path) for path in files]
        print_json({**plan.to_dict(), "files": written, "next": plan.commands(str(repo))})
        return
    _say_what_was_written(plan, files)


def _encoder(model: str | None) -> Any:
    from embfeast.encoding import DEFAULT_MODEL, EmbeddingCache, Encoder

    return Encoder(model or DEFAULT_MODEL, cache=EmbeddingCache())


def _ask(question: str, columns: Sequence[str]) -> str:
    import click

    return str(
        typer.prompt(
            f"{question} ({', '.join(columns)})",
            default=columns[0],
            type=click.Choice(list(columns)),
            show_choices=False,
            err=True,
        )
    )


def _say_what_was_seen(table: Any, roles: Any, counted: Any, sample: Any) -> None:
    from embfeast.scaffold.loading import ROW
    from embfeast.scaffold.names import shown
    from embfeast.scaffold.table import COUNTED
    from embfeast.scaffold.unicode_scripts import scripts

    used = dict.fromkeys(roles.text, "text") | dict.fromkeys(roles.key, "key")
    used |= {roles.time: "time", roles.created: "created", roles.label: "label"}
    # The row's number is not of the file, and is of interest where it is the key.
    unused = {} if ROW in used else {ROW: None}
    columns = [column for column in table.columns.values() if column.name not in unused]
    columns.sort(key=lambda column: column.name not in used)
    about = "" if table.rows <= COUNTED else "about "
    rows = (
        (
            shown(column.name),
            shown(column.kind),
            used.get(column.name, ""),
            f"{column.nulls:,}",
            "" if column.distinct is None else f"{about}{min(column.distinct, table.rows):,}",
            f"{column.length:.0f}" if column.length else "",
        )
        for column in columns[:MOST_SHOWN]
    )
    more = len(columns) - MOST_SHOWN
    lengths = sorted(map(len, sample.texts))
    written = ", ".join(
        f"{script.title()} {share:.0%}" for script, share in scripts(sample.texts).items()
    )
    print_table(
        ("column", "type", "taken as", "nulls", "values", "mean length"),
        rows,
        (f"and {more:,} columns more. " if more > 0 else "")
        + f"{counted.rows:,} rows, {counted.keys:,} keys, from {counted.first:%Y-%m-%d} to "
        f"{counted.last:%Y-%m-%d}. Of {_drawn(sample.rows, counted.before)}: "
        f"{sample.blank:,} blank, {sample.repeated:,} repeated, half over "
        f"{lengths[len(lengths) // 2]:,} characters, the longest {lengths[-1]:,}; letters: "
        f"{written or 'none'}.",
    )
    for note in roles.notes:
        typer.echo(f"- {note}")


def _drawn(sampled: int, earlier: int) -> str:
    if sampled == earlier:
        return f"the first {earlier:,}, which a fit reads"
    return f"{sampled:,} drawn from the first {earlier:,}, which a fit reads"


def _say_what_was_written(plan: Any, files: Sequence[Path]) -> None:
    from embfeast.scaffold.repository import MERGED, lacking_settings

    for warning in plan.proposal.warnings:
        typer.echo(f"warning: {warning}")
    for entry in plan.proposal.entries:
        reasons = "; ".join(
            f"{setting.name} {'' if isinstance(setting.value, dict) else setting.value} "
            f"({setting.why})"
            for setting in entry.settings
            if setting.why
        )
        typer.echo(f"  {entry.name}: {reasons or entry.why}")
    typer.echo(f"wrote {len(files)} files into {plan.repo}: {', '.join(f.name for f in files)}")
    if any(path.name == MERGED for path in files):
        typer.echo("your feature_store.yaml stays as it is; embfeast needs these lines of it:")
        typer.echo("\n".join(f"    {line}" for line in lacking_settings(plan.repo)))
    typer.echo("next:")
    typer.echo("\n".join(f"  {command}" for command in plan.commands(str(plan.repo))))
